//! `swamp data put`: storing a new version.

use std::fs::File;
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indexmap::IndexMap;
use serde::Serialize;
use swamp::catalog::Model;
use swamp::data::layout::{Artifact, Part};
use swamp::data::metadata::{JSON_CONTENT_TYPE, Metadata, Owner, OwnerType};
use swamp::data::name::ModelType;
use swamp::data::period::{GarbageCollection, Lifetime};
use swamp::data::store::{Content, Draft, Saved};
use swamp::fsutil::{FileError, Staged};
use swamp::path::RelPath;
use swamp::repo::{Repo, RepoError, relative};
use tracing::warn;

use super::model;
use super::shape::Version;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::output::human_size;
use crate::cli::report::{Failed, Outcome};

/// How many versions a new data name keeps, unless told otherwise.
const KEPT_DEFAULT: u64 = 10;

/// Store a new version
///
/// The content comes from a file or from standard input. A model that does not exist yet is made, of type
/// `swamp/file` unless `--type` says otherwise. What is stored is shared with others by the next `swamp datastore sync`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  swamp data put vpc-main state state.json --type aws/ec2/vpc\n  \
                        terraform output -json | swamp data put vpc-main outputs --content-type application/json\n  \
                        swamp data put vpc-main notes notes.md --tag team=net --lifetime 30d")]
pub(crate) struct PutArguments {
    /// The model, by name or id
    model: String,
    /// The data name
    name: String,
    /// The file with the content; `-` or nothing for standard input
    file: Option<PathBuf>,
    /// The type of a model that does not exist yet, such as `aws/ec2/vpc`
    #[arg(long = "type", value_name = "T", default_value = "swamp/file")]
    model_type: ModelType,
    /// The media type; guessed from the file's name if not given
    #[arg(long, value_name = "C")]
    content_type: Option<String>,
    /// A tag; repeat for more
    #[arg(long = "tag", value_name = "K=V", value_parser = super::parse_tag)]
    tags: Vec<(String, String)>,
    /// Which output of the model this is; the data name if not given
    #[arg(long, value_name = "S")]
    spec: Option<String>,
    /// How long it is kept: infinite, job, workflow, or a time such as 30d [default: as before, or infinite]
    #[arg(long, value_name = "L")]
    lifetime: Option<Lifetime>,
    /// Which versions `swamp data gc` leaves: a number or a time [default: as before, or 10]
    #[arg(long, value_name = "N")]
    keep: Option<GarbageCollection>,
    /// The content may grow later
    #[arg(long)]
    streaming: bool,
}

/// How much later than the end of its input an interrupt may be heard.
const SIGNAL_MOMENT: Duration = Duration::from_millis(5);

#[derive(Debug, Serialize)]
struct Stored {
    #[serde(flatten)]
    version: Version,
    path: String,
}

pub(crate) async fn run(arguments: &PutArguments, context: &Context) -> Outcome {
    let repo = context.repo()?;
    let input = Input::open(arguments.file.as_deref(), context)?;
    let model = find_or_define(&repo, arguments).await?;
    let artifact = model::artifact(&model, &arguments.name)?;
    let draft = draft(arguments, &model, repo.store().latest(&artifact)?.as_ref());
    let saved = Box::pin(save(&repo, artifact.clone(), draft, input, context)).await?;
    repo.follow(&[&saved.changes])?;
    let shown = described(&repo, &model, &artifact, &saved);
    context.output.emit(&shown, |shown| {
        let Version { name, version, size, .. } = &shown.version;
        format!("stored {name} version {version} ({})\n", human_size(size.unwrap_or_default()))
    })
}

/// Saves a version; in a shared directory under the lock of its model, of which others that are there take note.
async fn save(repo: &Repo, artifact: Artifact, draft: Draft, input: Input, context: &Context) -> Result<Saved, Failed> {
    // Standard input may take its time, which nobody else has to wait for.
    let mut file = input.into_file(&repo.paths().staging, context).await?;
    if repo.config().backend.directory().is_none() {
        return Ok(repo.store().save(&artifact, &draft, Content::Reader(&mut file))?);
    }
    let model = format!("{}/{}", artifact.model_type(), artifact.model_id()).parse::<RelPath>()?;
    let store = Arc::clone(repo.store());
    let save = move || store.save(&artifact, &draft, Content::Reader(&mut file));
    let work = async || Ok(tokio::task::spawn_blocking(save).await??);
    Ok(repo.changing_model(&model, &context.stop, work).await?)
}

async fn find_or_define(repo: &Repo, arguments: &PutArguments) -> Result<Model, Failed> {
    let reference = &arguments.model;
    if let Some(model) = model::resolve_to_change(repo, reference)? {
        return Ok(model);
    }
    repo.check_owner().await?;
    let (_, name) = model::split(reference);
    if let Err(error) = repo.adopt_definition(&arguments.model_type, name).await {
        let error = &error as &dyn std::error::Error;
        warn!(error, "cannot ask whether other machines have model `{name}`; if so, there will be two of that name");
    }
    let definition = repo.store().define(&arguments.model_type, name)?.definition;
    Ok(Model {
        type_normalized: definition.model_type.as_str().to_owned(),
        id: definition.id.as_str().to_owned(),
        name: definition.name,
    })
}

/// A version keeps lifetime and retention of the one before it, and its owner; tags are always said anew, because those
/// of a workflow run must not stick to what a person stores.
fn draft(arguments: &PutArguments, model: &Model, before: Option<&Metadata>) -> Draft {
    let content_type = arguments.content_type.clone().unwrap_or_else(|| guess(arguments, before));
    let data_type = if content_type == JSON_CONTENT_TYPE { "resource" } else { "file" };
    let spec = arguments.spec.as_ref().unwrap_or(&arguments.name);
    let basic = [("type", data_type), ("specName", spec), ("modelName", &model.name)];
    let basic = basic.into_iter().filter(|(_, value)| !value.is_empty());
    let mut tags: IndexMap<String, String> = basic.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    tags.extend(arguments.tags.iter().cloned());
    let owner = before.map_or_else(
        || Owner::new(OwnerType::Manual, &model.id),
        |before| Owner::new(before.owner.owner_type, &before.owner.owner_ref),
    );
    let lifetime = arguments.lifetime.clone().or_else(|| before.map(|before| before.lifetime.clone()));
    let keep = arguments.keep.clone().or_else(|| before.map(|before| before.garbage_collection.clone()));
    Draft {
        id: None,
        content_type,
        lifetime: lifetime.unwrap_or(Lifetime::Infinite),
        garbage_collection: keep.unwrap_or(GarbageCollection::Newest(KEPT_DEFAULT)),
        streaming: arguments.streaming,
        tags,
        owner,
        lifecycle: None,
        renamed_to: None,
    }
}

/// Returns the media type that the name of the file, or of the data, suggests; else that of the version before.
fn guess(arguments: &PutArguments, before: Option<&Metadata>) -> String {
    let file = arguments.file.as_deref().filter(|file| *file != Path::new("-"));
    let name = file.unwrap_or(Path::new(&arguments.name));
    let extension = name.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let guessed = match extension.as_str() {
        "json" => JSON_CONTENT_TYPE,
        "yaml" | "yml" => "application/x-yaml",
        "md" => "text/markdown",
        "txt" | "log" => "text/plain",
        "csv" => "text/csv",
        "html" => "text/html",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        _ => before.map_or("application/octet-stream", |before| &before.content_type),
    };
    guessed.to_owned()
}

fn described(repo: &Repo, model: &Model, artifact: &Artifact, saved: &Saved) -> Stored {
    let path = artifact.path(Part::Raw(saved.metadata.version)).under(repo.store().root());
    let shown = relative(&path, &repo.paths().root).display().to_string();
    let version = Version::of_metadata(model, artifact.name().as_str(), &saved.metadata, shown);
    Stored { version, path: path.display().to_string() }
}

/// Where the content comes from.
enum Input {
    File(File),
    Stdin(io::Stdin),
}

impl Input {
    fn open(file: Option<&Path>, context: &Context) -> Result<Self, CommandError> {
        let Some(file) = file.filter(|file| *file != Path::new("-")) else { return Ok(Self::Stdin(io::stdin())) };
        let path = context.environment.directory().join(file);
        File::open(&path).map(Self::File).map_err(|source| CommandError::Input { path, source })
    }

    /// Returns the content as a file, which what comes from standard input has to become. An interrupt ends that, and what
    /// came until then is not the content: it is the end of the whole pipeline, ours a moment after the others'.
    async fn into_file(self, staging: &Path, context: &Context) -> Result<File, Failed> {
        let mut stdin = match self {
            Self::File(file) => return Ok(file),
            Self::Stdin(stdin) => stdin,
        };
        let (mut file, shown) = (Staged::new(staging)?.unnamed()?, staging.to_owned());
        let copy = move || {
            io::copy(&mut stdin, &mut file).and_then(|_| file.rewind()).map_err(FileError::at("write", &shown))?;
            Ok::<_, FileError>(file)
        };
        let copied = tokio::select! {
            copied = tokio::task::spawn_blocking(copy) => copied.map_err(RepoError::from)??,
            () = context.stop.cancelled() => return Err(Failed::Interrupted),
        };
        tokio::select! {
            biased;
            () = context.stop.cancelled() => Err(Failed::Interrupted),
            () = context.clock.sleep(SIGNAL_MOMENT) => Ok(copied),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: PutArguments,
    }

    fn parsed(line: &[&str]) -> PutArguments {
        Line::parse_from(std::iter::once(&"put").chain(line)).arguments
    }

    fn model() -> Model {
        Model { type_normalized: "t".to_owned(), id: "id-1".to_owned(), name: "web".to_owned() }
    }

    #[test]
    fn the_file_name_suggests_the_media_type() {
        assert_eq!(guess(&parsed(&["m", "n", "a.JSON"]), None), "application/json");
        assert_eq!(guess(&parsed(&["m", "notes.md"]), None), "text/markdown");
        assert_eq!(guess(&parsed(&["m", "n.json", "-"]), None), "application/json");
        assert_eq!(guess(&parsed(&["m", "n"]), None), "application/octet-stream");
    }

    #[test]
    fn tags_say_type_spec_and_model_and_what_was_asked_for() {
        let draft = draft(&parsed(&["web", "n", "a.json", "--tag", "env=prod", "--tag", "type=data"]), &model(), None);

        let tags: Vec<_> = draft.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(tags, ["type=data", "specName=n", "modelName=web", "env=prod"]);
        assert_eq!(draft.owner, Owner::new(OwnerType::Manual, "id-1"));
    }
}
