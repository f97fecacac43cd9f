//! The arguments of `swamp datastore setup`, by kind of place.

use clap::{Args, Subcommand, ValueEnum};
use swamp::namespace::Namespace;

#[derive(Debug, Subcommand)]
pub(crate) enum SetupCommand {
    /// Keep the data in a directory, for example on a shared file system
    #[command(after_help = "Examples:\n  swamp datastore setup filesystem --path /srv/swamp --namespace infra\n  \
                            swamp datastore setup filesystem --path '$HOME/swamp-data'")]
    Filesystem {
        /// The directory; `~` and `$VAR` are kept as written
        #[arg(long, value_name = "P")]
        path: String,
        /// Only these subdirectories belong to it
        #[arg(long, value_delimiter = ',', value_name = "a,b")]
        directories: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Keep the data in a bucket of S3 or of a store that speaks its protocol
    #[command(after_help = "Examples:\n  swamp datastore setup s3 --bucket team --prefix prod --namespace infra\n  \
                            swamp datastore setup s3 --bucket team --endpoint http://127.0.0.1:9000 --force-path-style")]
    S3(S3Arguments),
    /// Keep the data in a bucket of Google Cloud Storage
    #[command(after_help = "Examples:\n  swamp datastore setup gcs --bucket team --prefix prod --namespace infra\n  \
                            swamp datastore setup gcs --bucket team --api-endpoint http://127.0.0.1:9000\n\n\
                            Credentials are Google's application default credentials: the file that \
                            GOOGLE_APPLICATION_CREDENTIALS names, what `gcloud auth application-default login` wrote, or \
                            those of the machine.")]
    Gcs(GcsArguments),
    /// Keep the data where a type and its JSON configuration say
    #[command(after_help = "Examples:\n  swamp datastore setup extension @swamp/s3-datastore \
                            --config '{\"bucket\": \"team\", \"region\": \"eu-west-1\"}' --namespace infra")]
    Extension {
        /// `@swamp/s3-datastore` or `@swamp/gcs-datastore`
        #[arg(value_name = "TYPE")]
        kind: String,
        /// Its settings
        #[arg(long, value_name = "JSON")]
        config: String,
        /// How much a pull brings here
        #[arg(long, value_name = "full|lazy")]
        hydration_strategy: Option<Hydration>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args, Debug)]
pub(crate) struct S3Arguments {
    /// The bucket
    #[arg(long, value_name = "B")]
    pub(super) bucket: String,
    /// What every key begins with
    #[arg(long, value_name = "P")]
    pub(super) prefix: Option<String>,
    /// The region; the environment decides if it is not given
    #[arg(long, value_name = "R")]
    pub(super) region: Option<String>,
    /// The address of a store that is not Amazon's
    #[arg(long, value_name = "URL")]
    pub(super) endpoint: Option<String>,
    /// Put the bucket's name into the path of requests, as most other stores want it
    #[arg(long)]
    pub(super) force_path_style: bool,
    /// When requests carry checksums
    #[arg(long, value_name = "WHEN")]
    pub(super) checksums: Option<Checksums>,
    /// How much a pull brings here
    #[arg(long, value_name = "full|lazy")]
    pub(super) hydration: Option<Hydration>,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct GcsArguments {
    /// The bucket
    #[arg(long, value_name = "B")]
    pub(super) bucket: String,
    /// What every key begins with
    #[arg(long, value_name = "P")]
    pub(super) prefix: Option<String>,
    /// The project it belongs to, for people who read the configuration
    #[arg(long, value_name = "ID")]
    pub(super) project_id: Option<String>,
    /// The address of a server that is not Google's; requests to it carry no credentials
    #[arg(long, value_name = "URL")]
    pub(super) api_endpoint: Option<String>,
    /// How much a pull brings here
    #[arg(long, value_name = "full|lazy")]
    pub(super) hydration: Option<Hydration>,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Common {
    /// This repository's share of the datastore
    #[arg(long, value_name = "NS")]
    pub(super) namespace: Option<Namespace>,
    /// Leave data that is here already where it is
    #[arg(long)]
    pub(super) skip_migration: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Hydration {
    /// Everything
    Full,
    /// Metadata; contents come when they are read
    Lazy,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Checksums {
    /// Wherever the protocol has a place for one
    WhenSupported,
    /// Only where it demands one, for stores that choke on others
    WhenRequired,
}
