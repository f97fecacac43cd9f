//! `swamp data get`: one version, its content first of all.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use swamp::catalog::Model;
use swamp::data::layout::{Artifact, Part};
use swamp::data::metadata::{JSON_CONTENT_TYPE, Metadata};
use swamp::data::name::VersionNumber;
use swamp::fsutil::{self, Durability, FileError, Staged};
use swamp::namespace::Namespace;
use swamp::repo::{Repo, relative};
use swamp::sync::SyncService as _;

use super::model::{self, Found};
use super::shape::Version;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::output::{Format, human_size, plain, print};
use crate::cli::report::{Failed, Outcome};

/// The largest content that goes into a JSON document, in bytes.
const JSON_CONTENT_BYTES_MAX: u64 = 256 << 20;

/// Read one version
///
/// Prints the content as it is; with `--json`, a document that describes the version and holds the content: parsed if
/// its content type is `application/json`, else as text. A name that was renamed leads to its new name, unless a version
/// is asked for. Content of another namespace is fetched when it is read and never kept on disk.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  swamp data get vpc-main state                the latest version\n  \
                        swamp data get vpc-main state --version 2 -o state.json\n  \
                        swamp data get security:scanner report       from another namespace\n  \
                        swamp data get vpc-main state --json --no-content")]
pub(crate) struct GetArguments {
    /// The model, by name or id; of another namespace as `NAMESPACE:MODEL`
    #[arg(value_name = "[NS:]MODEL")]
    model: String,
    /// The data name
    name: String,
    /// This version instead of the latest
    #[arg(long, value_name = "N")]
    version: Option<VersionNumber>,
    /// Describe the version, without its content
    #[arg(long)]
    no_content: bool,
    /// Write the content to this file; with `--json`, describe the version on standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "no_content")]
    output: Option<PathBuf>,
}

/// A version that was found, and how to get at its content.
enum Source<'a> {
    Own { artifact: Artifact, metadata: Box<Metadata> },
    Foreign { namespace: &'a Namespace, path: swamp::path::RelPath },
}

pub(crate) async fn run(arguments: GetArguments, context: &Context) -> Outcome {
    let repo = context.repo()?;
    let found = model::resolve(&repo, &arguments.model)?;
    let (mut version, source) = locate(&repo, &found, &arguments)?;
    if arguments.no_content {
        return context.output.emit(&version, header);
    }
    let mut content = open(&repo, &source, &version, context).await?;
    if let Some(target) = &arguments.output {
        save(&mut content, &context.environment.directory().join(target))?;
        return match context.output.format() {
            Format::Human => Ok(()),
            Format::Json => context.output.emit(&version, header),
        };
    }
    match context.output.format() {
        Format::Human => content.copy_to_stdout(),
        Format::Json => {
            version.content = Some(content.into_json(&version.content_type)?);
            context.output.emit(&version, header)
        }
    }
}

fn locate<'a>(repo: &Repo, found: &'a Found, arguments: &GetArguments) -> Result<(Version, Source<'a>), Failed> {
    let not_found = || CommandError::DataNotFound {
        name: arguments.name.clone(),
        model: arguments.model.clone(),
        version: arguments.version.map(VersionNumber::get),
    };
    match found {
        Found::Own(model) => {
            let (artifact, metadata) = locate_own(repo, model, arguments)?.ok_or_else(not_found)?;
            let path = artifact.path(Part::Raw(metadata.version)).under(repo.store().root());
            let shown = relative(&path, &repo.paths().root).display().to_string();
            let version = Version::of_metadata(model, artifact.name().as_str(), &metadata, shown);
            Ok((version, Source::Own { artifact, metadata: Box::new(metadata) }))
        }
        Found::Foreign(namespace, model) => {
            let name = model::row_name(model, &arguments.name);
            let number = arguments.version.map(VersionNumber::get);
            let record = repo.catalog()?.find(Some(namespace), &name, number)?.ok_or_else(not_found)?;
            let path = record.raw_path()?;
            let version = Version::of_record(model, &record, namespace.to_path().join(&path).to_string());
            Ok((version, Source::Foreign { namespace, path }))
        }
    }
}

fn locate_own(repo: &Repo, model: &Model, arguments: &GetArguments) -> Result<Option<(Artifact, Metadata)>, Failed> {
    let artifact = model::artifact(model, &arguments.name)?;
    let Some(number) = arguments.version else {
        let resolved = repo.store().resolve(&artifact)?;
        return Ok(resolved.map(|resolved| (resolved.artifact, resolved.metadata)));
    };
    let found = repo.store().versions(&artifact)?;
    match found.versions.into_iter().find(|version| version.number == number) {
        Some(version) => Ok(Some((artifact, version.metadata?))),
        None => Ok(None),
    }
}

/// Content that is ready to be read.
enum Content {
    File(File, PathBuf),
    Bytes(bytes::Bytes),
}

async fn open(repo: &Repo, source: &Source<'_>, version: &Version, context: &Context) -> Result<Content, Failed> {
    let namespace = match source {
        Source::Own { .. } => None,
        Source::Foreign { namespace, .. } => Some((*namespace).clone()),
    };
    let missing = || CommandError::ContentMissing {
        name: version.name.clone(),
        version: version.version,
        namespace: namespace.clone(),
    };
    match source {
        Source::Own { artifact, metadata } => {
            let path = artifact.path(Part::Raw(metadata.version));
            let shown = path.under(repo.store().root());
            if let Some(file) = repo.store().open_raw(artifact, metadata.version)? {
                return Ok(Content::File(file, shown));
            }
            // A lazy pull left it for now.
            if repo.config().backend.directory().is_none() {
                repo.engine(context.engine_options()).await?.hydrate(&path).await?;
            }
            let file = repo.store().open_raw(artifact, metadata.version)?;
            Ok(Content::File(file.ok_or_else(missing)?, shown))
        }
        Source::Foreign { namespace, path } => {
            let engine = repo.engine(context.engine_options()).await?;
            let bytes = engine.fetch_foreign_content(namespace, path).await?;
            Ok(Content::Bytes(bytes.ok_or_else(missing)?))
        }
    }
}

impl Content {
    fn copy_to_stdout(&mut self) -> Outcome {
        self.for_each_piece(&mut print)
    }

    fn for_each_piece(&mut self, write: &mut dyn FnMut(&[u8]) -> Outcome) -> Outcome {
        match self {
            Self::Bytes(bytes) => write(bytes),
            Self::File(file, path) => {
                let mut piece = vec![0; 64 * 1024];
                loop {
                    let length = file.read(&mut piece).map_err(FileError::at("read", path))?;
                    match piece.get(..length) {
                        None | Some([]) => return Ok(()),
                        Some(read) => write(read)?,
                    }
                }
            }
        }
    }

    fn into_json(self, content_type: &str) -> Result<Value, Failed> {
        let bytes = match self {
            Self::Bytes(bytes) => bytes,
            Self::File(_, path) => fsutil::read_if_exists(&path, JSON_CONTENT_BYTES_MAX)?.unwrap_or_default().into(),
        };
        if content_type == JSON_CONTENT_TYPE
            && let Ok(value) = serde_json::from_slice(&bytes)
        {
            return Ok(value);
        }
        Ok(Value::from(String::from_utf8_lossy(&bytes)))
    }
}

/// Writes the content beside its target, then moves it there in one step. A pipe or a device is written to, and a link
/// followed.
fn save(content: &mut Content, target: &Path) -> Outcome {
    use std::io::Write as _;

    let real = target.canonicalize();
    let target = real.as_deref().unwrap_or(target);
    if target.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        let mut file = File::options().write(true).open(target).map_err(FileError::at("write", target))?;
        return content
            .for_each_piece(&mut |piece| Ok(file.write_all(piece).map_err(FileError::at("write", target))?));
    }
    let directory = target.parent().unwrap_or(Path::new("."));
    let mut staged = Staged::new(directory)?;
    if let Ok(replaced) = target.metadata() {
        // Before anything is in it: what was for its owner alone stays so. Whose it is only root can keep.
        let keep = staged.file().set_permissions(replaced.permissions());
        keep.map_err(FileError::at("set the permissions of", target))?;
        let _others = std::os::unix::fs::fchown(&*staged.file(), Some(replaced.uid()), Some(replaced.gid()));
    }
    content
        .for_each_piece(&mut |piece| Ok(staged.file().write_all(piece).map_err(FileError::at("write", target))?))?;
    Ok(fsutil::install(staged, target, Durability::Relaxed)?)
}

fn header(version: &Version) -> String {
    let tags: Vec<String> = version.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let keep = version.garbage_collection.as_ref().map(|keep| format!(", keeps {keep}")).unwrap_or_default();
    let size = version.size.map_or_else(|| "unknown size".to_owned(), human_size);
    [
        format!("data:      {} version {}", version.name, version.version),
        format!("model:     {} ({})", version.model.model_name, version.model.model_type),
        format!("content:   {}, {size}", version.content_type),
        format!("lifetime:  {}{keep}", version.lifetime),
        format!("tags:      {}", tags.join(", ")),
        format!("created:   {}", version.created_at),
        format!("path:      {}", version.content_path),
    ]
    .map(|line| plain(&line).into_owned() + "\n")
    .concat()
}
