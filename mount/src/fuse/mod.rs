//! The protocol: requests become operations of [`Core`], their results become replies. Nothing is decided here.
//!
//! A handler that panics answers EIO (the reply is dropped) and the mount lives on. Whatever may wait is done by the
//! pool, with the reply, so that the thread that hears the kernel never waits for a network.

mod convert;
mod later;
mod passthrough;

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    AccessFlags, BsdFileFlags, CopyFileRangeFlags, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    IoctlFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyBmap, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen, ReplyStatfs,
    ReplyWrite, ReplyXattr, Request, TimeOrNow, Version, WriteFlags,
};
use tracing::{error, trace_span};

pub(crate) use passthrough::{Facts, State};

use crate::attributes::{Answer, Change, Step};
use crate::backing::{Making, What, kind_of_mode};
use crate::errno::{Refusal, refused};
use crate::fs::{Core, Lookup, OpenedFile, OpenedHow, Reading};
use crate::lifecycle::InFlight;
use convert::{attr, caller, code, kind, missing, open_flags, seek, stamp};
use later::{Fail as _, Later};

/// Requests that the kernel keeps in flight, and from when on it holds writers back.
const BACKGROUND_MAX: u16 = 64;
const CONGESTED: u16 = 60;
/// The first version of the protocol in which everything can be forgotten at once.
const EPOCHS_SINCE: Version = Version(7, 44);
/// Numbers are never used again, so that all are of the same generation.
const GENERATION: Generation = Generation(0);

thread_local! {
    /// What is read goes through here: a buffer that was touched before is much cheaper than a new one.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Serves the kernel.
pub(crate) struct Adapter {
    core: Arc<Core>,
    facts: Arc<Facts>,
    in_flight: Arc<InFlight>,
    later: Later,
}

impl Adapter {
    /// Returns an adapter; what it finds out about the kernel is in [`Adapter::facts`] after the mount is made.
    pub(crate) fn new(core: Arc<Core>, passthrough: crate::Passthrough, in_flight: Arc<InFlight>) -> Self {
        let facts = Arc::new(Facts::new(core.backing().map(Arc::clone), passthrough));
        let later = Later::new(core.deadline(), Arc::clone(&in_flight));
        Self { core, facts, in_flight, later }
    }

    /// Returns what is found out about the kernel.
    pub(crate) fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts)
    }

    /// Runs a handler; a panic in it is our error and nobody else's.
    fn handle(&self, operation: &'static str, number: INodeNo, handler: impl FnOnce()) {
        let _in_flight = self.in_flight.begin(operation);
        let _span = trace_span!("request", operation, number = number.0).entered();
        if catch_unwind(AssertUnwindSafe(handler)).is_err() {
            error!(operation, number = number.0, "a handler panicked");
        }
    }

    fn entry(reply: ReplyEntry, answer: Answer<Lookup>) {
        match answer {
            Ok(Lookup::Found(found)) => {
                let attr = attr(&found.attributes);
                reply.entry_with_ttls(&found.attributes_for, &found.name_for, &attr, GENERATION);
            }
            Ok(Lookup::Missing(remembered_for)) => reply.entry(&remembered_for, &missing(), GENERATION),
            Err(errno) => reply.error(code(errno)),
        }
    }

    fn empty(reply: ReplyEmpty, answer: Answer<()>) {
        match answer {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(code(errno)),
        }
    }

    fn opened(core: &Core, facts: &Facts, reply: ReplyOpen, opened: &OpenedFile) {
        let handle = FileHandle(opened.handle);
        if let OpenedHow::Backing(file) = &opened.how
            && let Some(shared) = facts.share(file, |descriptor| reply.open_backing(descriptor))
        {
            return reply.opened_passthrough(handle, FopenFlags::empty(), &shared);
        }
        reply.opened(handle, Self::pages(core, &opened.how));
    }

    /// Says what the kernel may do with the pages of an open file.
    fn pages(core: &Core, how: &OpenedHow) -> FopenFlags {
        match how {
            OpenedHow::Backing(file) if core.backing().is_some_and(|backing| backing.is_unchanged(file)) => {
                FopenFlags::FOPEN_KEEP_CACHE
            }
            OpenedHow::Backing(_) => FopenFlags::empty(),
            OpenedHow::Immutable => FopenFlags::FOPEN_KEEP_CACHE,
            OpenedHow::Direct => FopenFlags::FOPEN_DIRECT_IO,
        }
    }
}

impl Filesystem for Adapter {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = [
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_CACHE_SYMLINKS,
            InitFlags::FUSE_ASYNC_DIO,
            InitFlags::FUSE_AUTO_INVAL_DATA,
            InitFlags::FUSE_ATOMIC_O_TRUNC,
            InitFlags::FUSE_NO_EXPORT_SUPPORT,
        ];
        for capability in wanted {
            // Each is an improvement that an older kernel may lack.
            drop(config.add_capabilities(capability));
        }
        self.facts.negotiate(config);
        drop(config.set_max_background(BACKGROUND_MAX));
        drop(config.set_congestion_threshold(CONGESTED));
        drop(config.set_time_granularity(Duration::from_nanos(1)));
        self.core.rely_on_epochs(config.kernel_abi() >= EPOCHS_SINCE);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.handle("lookup", parent, || Self::entry(reply, self.core.lookup(parent.0, name)));
    }

    fn forget(&self, _request: &Request, number: INodeNo, lookups: u64) {
        self.handle("forget", number, || self.core.forget(number.0, lookups));
    }

    fn getattr(&self, _request: &Request, number: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        self.handle("getattr", number, || match self.core.attributes(number.0, handle.map(|handle| handle.0)) {
            Ok(found) => reply.attr(&found.attributes_for, &attr(&found.attributes)),
            Err(errno) => reply.error(code(errno)),
        });
    }

    fn setattr(
        &self,
        _request: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _changed: Option<SystemTime>,
        handle: Option<FileHandle>,
        _created: Option<SystemTime>,
        _changed_macos: Option<SystemTime>,
        _backed_up: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        self.handle("setattr", number, || {
            let (accessed, modified) = (accessed.map(stamp), modified.map(stamp));
            let change = Change { mode, uid, gid, size, accessed, modified };
            match self.core.change(number.0, handle.map(|handle| handle.0), &change) {
                Ok(found) => reply.attr(&found.attributes_for, &attr(&found.attributes)),
                Err(errno) => reply.error(code(errno)),
            }
        });
    }

    fn readlink(&self, _request: &Request, number: INodeNo, reply: ReplyData) {
        self.handle("readlink", number, || match self.core.read_link(number.0) {
            Ok(target) => reply.data(&target),
            Err(errno) => reply.error(code(errno)),
        });
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        device: u32,
        reply: ReplyEntry,
    ) {
        self.handle("mknod", parent, || {
            let made = kind_of_mode(mode).and_then(|kind| {
                let making = Making { what: What::Node(kind, device), mode, caller: caller(request) };
                self.core.make(parent.0, name, &making)
            });
            Self::entry(reply, made.map(Lookup::Found));
        });
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _umask: u32, reply: ReplyEntry) {
        self.handle("mkdir", parent, || {
            let making = Making { what: What::Directory, mode, caller: caller(request) };
            Self::entry(reply, self.core.make(parent.0, name, &making).map(Lookup::Found));
        });
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.handle("unlink", parent, || Self::empty(reply, self.core.unlink(parent.0, name)));
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.handle("rmdir", parent, || Self::empty(reply, self.core.remove_directory(parent.0, name)));
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        self.handle("symlink", parent, || {
            let making = Making { what: What::Symlink(target), mode: 0o777, caller: caller(request) };
            Self::entry(reply, self.core.make(parent.0, name, &making).map(Lookup::Found));
        });
    }

    fn rename(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        self.handle("rename", parent, || {
            let flags = rustix::fs::RenameFlags::from_bits_retain(flags.bits());
            Self::empty(reply, self.core.rename((parent.0, name), (new_parent.0, new_name), flags));
        });
    }

    fn link(&self, _request: &Request, number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.handle("link", number, || {
            Self::entry(reply, self.core.link(number.0, parent.0, name).map(Lookup::Found));
        });
    }

    fn open(&self, _request: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.handle("open", number, || {
            let step = self.core.open(number.0, open_flags(flags.0));
            let (core, facts) = (Arc::clone(&self.core), Arc::clone(&self.facts));
            self.later.reply(reply, step, move |reply, opened| match reply {
                Some(reply) => Self::opened(&core, &facts, reply, &opened),
                // Nobody will close what was opened too late.
                None => core.close(opened.handle),
            });
        });
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        self.handle("create", parent, || {
            let (found, opened) = match self.core.create(parent.0, name, open_flags(flags), (mode, caller(request))) {
                Ok(created) => created,
                Err(errno) => return reply.error(code(errno)),
            };
            let (ttl, attr, handle) = (found.attributes_for, attr(&found.attributes), FileHandle(opened.handle));
            if let OpenedHow::Backing(file) = &opened.how
                && let Some(shared) = self.facts.share(file, |descriptor| reply.open_backing(descriptor))
            {
                return reply.created_passthrough(&ttl, &attr, GENERATION, handle, FopenFlags::empty(), &shared);
            }
            reply.created(&ttl, &attr, GENERATION, handle, Self::pages(&self.core, &opened.how));
        });
    }

    fn read(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.handle("read", number, || {
            BUFFER.with_borrow_mut(|buffer| match self.core.read(handle.0, offset, size as usize, buffer) {
                Ok(Reading::Buffered(length)) => reply.data(&buffer[..length]),
                Ok(Reading::Bytes(bytes)) => reply.data(&bytes),
                Ok(Reading::Wait(job)) => self.later.reply(reply, Step::Wait(job), |reply, bytes| {
                    if let Some(reply) = reply {
                        reply.data(&bytes);
                    }
                }),
                Err(errno) => reply.error(code(errno)),
            });
        });
    }

    fn write(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.handle("write", number, || match self.core.write(handle.0, offset, data) {
            Ok(written) => reply.written(u32::try_from(written).unwrap_or(u32::MAX)),
            Err(errno) => reply.error(code(errno)),
        });
    }

    /// Answered with ENOSYS once, so that the kernel spares itself a request for every close: there is nothing to
    /// write that has not been written, and that a file is closed is heard of when it is released.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.fail(refused(Refusal::LeftToKernel));
    }

    fn release(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.handle("release", number, || {
            self.facts.unshare(number.0);
            self.core.close(handle.0);
            reply.ok();
        });
    }

    fn fsync(&self, _request: &Request, number: INodeNo, handle: FileHandle, data_only: bool, reply: ReplyEmpty) {
        self.handle("fsync", number, || {
            let step = self.core.sync(handle.0, data_only);
            self.later.reply_whenever(reply, step, |reply, ()| reply.ok());
        });
    }

    fn opendir(&self, _request: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        self.handle("opendir", number, || match self.core.open_directory(number.0) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
            Err(errno) => reply.error(code(errno)),
        });
    }

    fn readdir(&self, _: &Request, number: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        self.handle("readdir", number, || {
            let listed = self.core.list(handle.0, offset, false, &mut |row| {
                !reply.add(INodeNo(row.number), row.next, kind(row.kind), row.name)
            });
            match listed {
                Ok(()) => reply.ok(),
                Err(errno) => reply.error(code(errno)),
            }
        });
    }

    fn readdirplus(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        self.handle("readdirplus", number, || {
            let listed = self.core.list(handle.0, offset, true, &mut |row| {
                let Some(found) = row.found else { return true };
                // One time for both: the shorter.
                let remembered_for = found.attributes_for.min(found.name_for);
                let attr = attr(&found.attributes);
                !reply.add(INodeNo(row.number), row.next, row.name, &remembered_for, &attr, GENERATION)
            });
            match listed {
                Ok(()) => reply.ok(),
                Err(errno) => reply.error(code(errno)),
            }
        });
    }

    fn releasedir(&self, _: &Request, number: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.handle("releasedir", number, || {
            self.core.close_directory(handle.0);
            reply.ok();
        });
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        self.handle("fsyncdir", number, || {
            let step = self.core.sync_directory(number.0);
            self.later.reply_whenever(reply, step, |reply, ()| reply.ok());
        });
    }

    fn statfs(&self, _request: &Request, number: INodeNo, reply: ReplyStatfs) {
        self.handle("statfs", number, || match self.core.space(number.0) {
            Ok(space) => reply.statfs(
                space.blocks,
                space.blocks_free,
                space.blocks_available,
                space.files,
                space.files_free,
                space.block_size,
                space.name_max,
                space.fragment_size,
            ),
            Err(errno) => reply.error(code(errno)),
        });
    }

    fn setxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: &[u8], _: i32, _: u32, reply: ReplyEmpty) {
        reply.fail(refused(Refusal::LeftToKernel));
    }

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        reply.fail(refused(Refusal::LeftToKernel));
    }

    fn listxattr(&self, _: &Request, _: INodeNo, _: u32, reply: ReplyXattr) {
        reply.fail(refused(Refusal::LeftToKernel));
    }

    fn removexattr(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.fail(refused(Refusal::LeftToKernel));
    }

    fn access(&self, _: &Request, _: INodeNo, _: AccessFlags, reply: ReplyEmpty) {
        reply.fail(refused(Refusal::LeftToKernel));
    }

    fn bmap(&self, _: &Request, _: INodeNo, _: u32, _: u64, reply: ReplyBmap) {
        reply.fail(refused(Refusal::LeftToKernel));
    }

    fn ioctl(
        &self,
        _request: &Request,
        _number: INodeNo,
        _handle: FileHandle,
        _flags: IoctlFlags,
        _command: u32,
        _data: &[u8],
        _size: u32,
        reply: ReplyIoctl,
    ) {
        reply.fail(refused(Refusal::Ioctl));
    }

    fn fallocate(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.handle("fallocate", number, || {
            Self::empty(reply, self.core.allocate(handle.0, mode.cast_unsigned(), offset, length));
        });
    }

    fn lseek(&self, _: &Request, number: INodeNo, handle: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        self.handle("lseek", number, || {
            let found = seek(offset, whence).and_then(|to| self.core.seek(handle.0, to));
            match found {
                Ok(offset) => reply.offset(offset.cast_signed()),
                Err(errno) => reply.error(code(errno)),
            }
        });
    }

    fn copy_file_range(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        _number_out: INodeNo,
        handle_out: FileHandle,
        offset_out: u64,
        length: u64,
        _flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        self.handle("copy_file_range", number, || {
            let step = self.core.copy((handle.0, offset), (handle_out.0, offset_out), length);
            self.later.reply_whenever(reply, step, |reply, copied| {
                reply.written(u32::try_from(copied).unwrap_or(u32::MAX));
            });
        });
    }
}
