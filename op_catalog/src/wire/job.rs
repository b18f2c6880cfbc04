//! A job is a list of items to measure in one go, all alike: one runtime, one batch, one protocol.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::field_error::FieldError;
use crate::wire::{MeasuringProtocol, PROTOCOL_VERSION, Problem, ProblemCode};
use crate::{FeatureMap, Network, PlacedOp};

/// What a client asks an agent to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// [`PROTOCOL_VERSION`] of the client.
    #[schema(minimum = 1, maximum = 1)]
    pub protocol_version: u32,
    /// Any text; two requests that differ only here are two jobs.
    #[schema(min_length = 1, max_length = 256)]
    pub label: String,
    /// What runs the items.
    pub runtime: Runtime,
    /// Threads that the runtime may use.
    #[schema(minimum = 1, maximum = 1024)]
    pub threads: u32,
    /// Images per run.
    #[schema(minimum = 1, maximum = 1024)]
    pub batch: u32,
    /// Precision of weights and activations.
    pub precision: Precision,
    /// Seed of the random weights and inputs, which the device makes itself.
    pub weight_seed: u64,
    /// Core to pin the measuring child to; `null` leaves the choice to the agent.
    pub core: Option<u32>,
    /// How to measure.
    pub protocol: MeasuringProtocol,
    /// What to measure.
    #[schema(min_items = 1)]
    pub items: Vec<Item>,
}

/// One thing to measure: a placed operation, or a chain of them up to a whole network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its name in the job, unique there. The same blocks may stand under two names.
    #[schema(min_length = 1, max_length = 256)]
    pub id: String,
    /// Keys of placed operations, each taking what the one before gives.
    #[schema(value_type = Vec<String>, min_items = 1, example = json!(["mbconv-k3-e6-in28x28x40-out28x28x40-s1-skip"]))]
    pub blocks: Vec<PlacedOp>,
}

/// What can run an operation on a device.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// tract, in Rust.
    Tract,
    /// libtorch on the CPU, in its fastest form: traced, frozen and optimised, channels last.
    Torch,
    /// libtorch on the CPU, operation by operation as it trains, channels last.
    TorchEager,
    /// libtorch on the first GPU, operation by operation.
    TorchCuda,
    /// No runtime: times follow from the MACs, on a clock that does not pass. For tests of the road.
    Mock,
}

/// Precision of weights and activations.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point.
    F16,
    /// 8-bit integers.
    Int8,
}

/// Name of a job: a hash of its request, so that asking twice is asking once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(String);

/// A request that can be measured: everything in it was checked. Only [`Job::parse`] and
/// [`Job::new`] make one.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    id: JobId,
    request: JobRequest,
}

impl Job {
    /// The longest id of an item and the longest label, in bytes: room for 256 characters of any kind.
    pub const MAX_NAME_BYTES: usize = 1024;
    /// The largest batch.
    pub const MAX_BATCH: u32 = 1024;
    /// The largest number of threads.
    pub const MAX_THREADS: u32 = 1024;

    /// Reads a request.
    ///
    /// # Errors
    /// A problem that names the field: not JSON, another protocol version, an unknown field, a value
    /// that cannot be.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let value: serde_json::Value = serde_json::from_slice(body).map_err(|error| {
            Problem::new(ProblemCode::MalformedJson, format!("the body is not JSON: {error}"))
                .hint("send one JSON object with the content type application/json")
        })?;
        if !value.is_object() {
            return Err(Problem::new(ProblemCode::InvalidValue, "the body is not a JSON object"));
        }
        // The version comes first: a request of another version may well have other fields.
        if let Some(version) = value.get("protocol_version").and_then(serde_json::Value::as_u64) {
            check_version(version)?;
        }
        let request =
            serde_path_to_error::deserialize(value).map_err(|error| field_problem(&error))?;
        Self::new(request)
    }

    /// Checks a request.
    ///
    /// # Errors
    /// A problem that names the field.
    pub fn new(request: JobRequest) -> Result<Self, Problem> {
        check_version(request.protocol_version.into())?;
        request.protocol.check()?;
        check_range("threads", request.threads, Self::MAX_THREADS)?;
        check_range("batch", request.batch, Self::MAX_BATCH)?;
        check_name("label", &request.label)?;
        if request.items.is_empty() {
            return Err(invalid("items", "a job needs at least one item"));
        }
        let mut ids = HashSet::new();
        for (index, item) in request.items.iter().enumerate() {
            check_name(&format!("items[{index}].id"), &item.id)?;
            if !ids.insert(&item.id) {
                let message = format!("the id `{}` stands twice", item.id);
                return Err(invalid(&format!("items[{index}].id"), &message));
            }
            check_blocks(index, item, request.batch)?;
        }
        Ok(Self { id: JobId::of(&request), request })
    }

    /// Its name.
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// What it asks.
    pub fn request(&self) -> &JobRequest {
        &self.request
    }
}

impl Item {
    /// The item as a network, which [`Job::new`] has checked it to be.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn network(&self) -> Result<Network, crate::CatalogError> {
        Network::new(self.blocks.clone())
    }
}

impl JobId {
    /// The id of a request.
    pub fn of(request: &JobRequest) -> Self {
        // Serialising plain data to memory does not fail; were it to, all ids would still be one.
        let bytes = serde_json::to_vec(request).unwrap_or_default();
        let hex = Sha256::digest(&bytes)
            .iter()
            .take(8)
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        Self(hex)
    }

    /// Reads an id: 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let hexadecimal = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == 16 && hexadecimal).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tract => "tract",
            Self::Torch => "torch",
            Self::TorchEager => "torch_eager",
            Self::TorchCuda => "torch_cuda",
            Self::Mock => "mock",
        })
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        })
    }
}

fn invalid(field: &str, message: &str) -> Problem {
    Problem::new(ProblemCode::InvalidValue, format!("{field}: {message}")).at(field)
}

fn check_version(version: u64) -> Result<(), Problem> {
    if version == u64::from(PROTOCOL_VERSION) {
        return Ok(());
    }
    let message =
        format!("the request speaks protocol version {version}, this agent {PROTOCOL_VERSION}");
    Err(Problem::new(ProblemCode::ProtocolVersion, message)
        .hint("use a host and an agent of the same release")
        .at("protocol_version"))
}

fn check_range(field: &str, value: u32, high: u32) -> Result<(), Problem> {
    if (1..=high).contains(&value) {
        return Ok(());
    }
    Err(invalid(field, &format!("{value} is not between 1 and {high}")))
}

fn check_name(field: &str, name: &str) -> Result<(), Problem> {
    if (1..=Job::MAX_NAME_BYTES).contains(&name.len()) {
        return Ok(());
    }
    Err(invalid(field, &format!("it has {} bytes, not 1 to {}", name.len(), Job::MAX_NAME_BYTES)))
}

fn check_blocks(index: usize, item: &Item, batch: u32) -> Result<(), Problem> {
    let field = format!("items[{index}].blocks");
    let network = item.network().map_err(|error| invalid(&field, &error.to_string()))?;
    let largest = network.lower().layers.iter().map(|layer| layer.output_map.elements()).max();
    let elements = largest.unwrap_or(0) * u64::from(batch);
    if elements > FeatureMap::MAX_ELEMENTS {
        let most = FeatureMap::MAX_ELEMENTS;
        return Err(invalid(
            &field,
            &format!("a batch of {batch} has a layer of {elements} elements, more than {most}"),
        ));
    }
    Ok(())
}

/// Turns serde's complaint into a problem with the path of the field.
fn field_problem(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    match FieldError::new(error.path(), &error.inner().to_string()) {
        FieldError::Unknown { path, known } => {
            Problem::new(ProblemCode::UnknownField, format!("there is no field `{path}`"))
                .hint(format!("the fields there are: {known}"))
                .at(path)
        }
        FieldError::Invalid { path, message } if path.is_empty() => {
            Problem::new(ProblemCode::InvalidValue, message)
        }
        FieldError::Invalid { path, message } => invalid(&path, &message),
    }
}
