//! What each request of the kernel is made of and answered with.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use fuser::{
    AccessFlags, BsdFileFlags, CopyFileRangeFlags, FileHandle, Filesystem, FopenFlags, INodeNo, InitFlags, IoctlFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyBmap, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr,
    Request, TimeOrNow, Version, WriteFlags,
};
use tracing::debug;

use super::convert::{attr, caller, code, kind, open_flags, seek, stamp};
use super::later::Fail as _;
use super::{Adapter, GENERATION};
use crate::attributes::{Change, Step};
use crate::backing::{Making, What, kind_of_mode};
use crate::errno::{Refusal, refused};
use crate::fs::{Lookup, OpenedHow, Reading};

/// Requests that the kernel keeps in flight, and from when on it holds writers back.
const BACKGROUND_MAX: u16 = 64;
const CONGESTED: u16 = 60;
/// The first version of the protocol in which everything can be forgotten at once.
const EPOCHS_SINCE: Version = Version(7, 44);
thread_local! {
    /// What is read goes through here: a buffer that was touched before is much cheaper than a new one.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[expect(clippy::renamed_function_params, reason = "the words are ours; what is unused has none")]
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
            if config.add_capabilities(capability).is_err() {
                debug!(?capability, "the kernel lacks it");
            }
        }
        self.facts.negotiate(config);
        let limited = config.set_max_background(BACKGROUND_MAX).and(config.set_congestion_threshold(CONGESTED));
        if limited.is_err() {
            debug!("the kernel has other limits");
        }
        self.core.rely_on_epochs(config.kernel_abi() >= EPOCHS_SINCE);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.handle("lookup", parent, |_token| Self::entry(reply, self.core.lookup(parent.0, name)));
    }

    fn forget(&self, _request: &Request, number: INodeNo, lookups: u64) {
        self.handle("forget", number, |_token| self.core.forget(number.0, lookups));
    }

    fn getattr(&self, _request: &Request, number: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        self.handle("getattr", number, |_token| match self.core.attributes(number.0, handle.map(|handle| handle.0)) {
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
        self.handle("setattr", number, |_token| {
            let (accessed, modified) = (accessed.map(stamp), modified.map(stamp));
            let change = Change { mode, uid, gid, size, accessed, modified };
            match self.core.change(number.0, handle.map(|handle| handle.0), &change) {
                Ok(found) => reply.attr(&found.attributes_for, &attr(&found.attributes)),
                Err(errno) => reply.error(code(errno)),
            }
        });
    }

    fn readlink(&self, _request: &Request, number: INodeNo, reply: ReplyData) {
        self.handle("readlink", number, |_token| match self.core.read_link(number.0) {
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
        self.handle("mknod", parent, |_token| {
            let made = kind_of_mode(mode).and_then(|kind| {
                let making = Making { what: What::Node(kind, device), mode, caller: caller(request) };
                self.core.make(parent.0, name, &making)
            });
            Self::entry(reply, made.map(Lookup::Found));
        });
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _umask: u32, reply: ReplyEntry) {
        self.handle("mkdir", parent, |_token| {
            let making = Making { what: What::Directory, mode, caller: caller(request) };
            Self::entry(reply, self.core.make(parent.0, name, &making).map(Lookup::Found));
        });
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.handle("unlink", parent, |_token| Self::empty(reply, self.core.unlink(parent.0, name)));
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.handle("rmdir", parent, |_token| Self::empty(reply, self.core.remove_directory(parent.0, name)));
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        self.handle("symlink", parent, |_token| {
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
        self.handle("rename", parent, |_token| {
            let flags = rustix::fs::RenameFlags::from_bits_retain(flags.bits());
            Self::empty(reply, self.core.rename((parent.0, name), (new_parent.0, new_name), flags));
        });
    }

    fn link(&self, _request: &Request, number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.handle("link", number, |_token| {
            Self::entry(reply, self.core.link(number.0, parent.0, name).map(Lookup::Found));
        });
    }

    fn open(&self, _request: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.handle("open", number, |token| {
            let step = self.core.open(number.0, open_flags(flags.0));
            let (core, facts) = (Arc::clone(&self.core), Arc::clone(&self.facts));
            self.later.reply(reply, token, step, move |reply, opened| match reply {
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
        self.handle("create", parent, |_token| {
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
        self.handle("read", number, |token| {
            BUFFER.with_borrow_mut(|buffer| match self.core.read(handle.0, offset, size as usize, buffer) {
                Ok(Reading::Buffered(length)) => reply.data(&buffer[..length]),
                Ok(Reading::Bytes(bytes)) => reply.data(&bytes),
                Ok(Reading::Wait(job)) => self.later.reply(reply, token, Step::Wait(job), |reply, bytes| {
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
        self.handle("write", number, |_token| match self.core.write(handle.0, offset, data) {
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
        self.handle("release", number, |_token| {
            self.facts.unshare(number.0);
            self.core.close(handle.0);
            reply.ok();
        });
    }

    fn fsync(&self, _request: &Request, number: INodeNo, handle: FileHandle, data_only: bool, reply: ReplyEmpty) {
        self.handle("fsync", number, |token| {
            let step = self.core.sync(handle.0, data_only);
            self.durably.reply(reply, token, step, |reply, ()| reply.into_iter().for_each(ReplyEmpty::ok));
        });
    }

    fn opendir(&self, _request: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        self.handle("opendir", number, |_token| match self.core.open_directory(number.0) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
            Err(errno) => reply.error(code(errno)),
        });
    }

    fn readdir(&self, _: &Request, number: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        self.handle("readdir", number, |_token| {
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
        self.handle("readdirplus", number, |_token| {
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
        self.handle("releasedir", number, |_token| {
            self.core.close_directory(handle.0);
            reply.ok();
        });
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        self.handle("fsyncdir", number, |token| {
            let step = self.core.sync_directory(number.0);
            self.durably.reply(reply, token, step, |reply, ()| reply.into_iter().for_each(ReplyEmpty::ok));
        });
    }

    fn statfs(&self, _request: &Request, number: INodeNo, reply: ReplyStatfs) {
        self.handle("statfs", number, |_token| match self.core.space(number.0) {
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

    // All extended attributes are answered with ENOSYS once, after which the kernel never asks again. Measured (6.18, two
    // cores, passthrough, medians): answering them costs a request per write, 67k to 33k random 4 KiB writes per second.
    // With FUSE_HANDLE_KILLPRIV_V2 it is one request per file and opening, which random writes do not notice; but making
    // small files falls from 12.6k to 11.1k per second even if the answer takes no system call, `ls -l` takes two to four
    // times as long, and set-id bits would survive writes that bypass us.
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
        self.handle("fallocate", number, |_token| {
            Self::empty(reply, self.core.allocate(handle.0, mode.cast_unsigned(), offset, length));
        });
    }

    fn lseek(&self, _: &Request, number: INodeNo, handle: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        self.handle("lseek", number, |_token| {
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
        self.handle("copy_file_range", number, |token| {
            let step = self.core.copy((handle.0, offset), (handle_out.0, offset_out), length);
            self.durably.reply(reply, token, step, |reply, copied| {
                let written = |reply: ReplyWrite| reply.written(u32::try_from(copied).unwrap_or(u32::MAX));
                reply.into_iter().for_each(written);
            });
        });
    }
}
