//! The words in which a made-up system is described: services, what they do for a request, what
//! they call, and what goes wrong how often. Descriptions are constant data; see `shop::operations`.

mod call;
mod failure;

pub(crate) use call::{Api, Call, Database, OnFailure, Target};
pub(crate) use failure::{Exception, Failure, StackFrame};

/// One service: a name on the map, whatever number of instances run it.
#[derive(Debug)]
pub(crate) struct Service {
    /// Name of its segments.
    pub(crate) name: &'static str,
    /// Host name under which others call it.
    pub(crate) host: &'static str,
    /// The SDK it records with, and so the language it is written in.
    pub(crate) sdk: Sdk,
    /// Where it runs.
    pub(crate) platform: Platform,
    /// Its version, as in `service.version` or a deployment label.
    pub(crate) version: &'static str,
    /// How many instances run it.
    pub(crate) instances: u32,
}

/// The SDKs whose manner of recording is imitated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sdk {
    Python,
    Node,
    Java,
}

/// What runs a service; decides its origin and its `aws` block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    Ec2,
    EcsContainer,
    EcsFargate,
    Eks,
    ElasticBeanstalk,
    Lambda,
}

impl Platform {
    /// The `origin` of its segments. A function's other segment has the origin `AWS::Lambda`.
    pub(crate) const fn origin(self) -> &'static str {
        match self {
            Self::Ec2 => "AWS::EC2::Instance",
            Self::EcsContainer => "AWS::ECS::Container",
            Self::EcsFargate => "AWS::ECS::Fargate",
            Self::Eks => "AWS::EKS::Container",
            Self::ElasticBeanstalk => "AWS::ElasticBeanstalk::Environment",
            Self::Lambda => "AWS::Lambda::Function",
        }
    }
}

/// One kind of request that a service answers.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) service: &'static Service,
    pub(crate) method: &'static str,
    /// Path and query; `{…}` stands for a value of the visit, see [`crate::visit::Visit::fill`].
    pub(crate) path: &'static str,
    /// Status when all goes well.
    pub(crate) success: u16,
    /// Its own work beside the steps.
    pub(crate) work: Latency,
    /// Requests turned down before any work: probability and status (4xx).
    pub(crate) refusals: &'static [(f64, u16)],
    pub(crate) steps: &'static [Step],
    pub(crate) annotations: &'static [Annotated],
    /// Whether the contents of the basket are recorded as metadata.
    pub(crate) records_basket: bool,
    /// Whether the segment is sent once when it begins and again when it ends, as for work that
    /// takes long.
    pub(crate) is_announced: bool,
}

impl Operation {
    /// An operation without steps that always answers 200.
    pub(crate) const fn new(
        service: &'static Service,
        method: &'static str,
        path: &'static str,
    ) -> Self {
        Self {
            service,
            method,
            path,
            success: 200,
            work: Latency::of(1.5, 0.4),
            refusals: &[],
            steps: &[],
            annotations: &[],
            records_basket: false,
            is_announced: false,
        }
    }
}

/// What an operation does, in order.
#[derive(Debug)]
pub(crate) enum Step {
    /// A local subsegment around other steps.
    Work(&'static str, Latency, &'static [Step]),
    /// A call to something else.
    Call(Call),
    /// Steps that begin together; the next one waits for all.
    InParallel(&'static [Step]),
    /// Steps taken with this probability.
    Sometimes(f64, &'static [Step]),
    /// A look into a cache and, unless it hits, other steps. Recorded as annotation `cache_hit`.
    Cached { lookup: Call, hit: f64, otherwise: &'static [Step] },
    /// A step taken again and again, between so many times and so many.
    Repeated(u32, u32, &'static Step),
    /// An exception with this probability; nothing catches it, and the service answers 500.
    Throws(f64, &'static Exception),
}

/// Values of a visit that an operation records as annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Annotated {
    CacheHit,
    Category,
    Items,
    OrderTotal,
    PaymentMethod,
    Product,
    SignedIn,
    Tenant,
}

/// How long something takes: log-normal, with a share of slow outliers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Latency {
    pub(crate) median_ms: f64,
    /// Standard deviation of the logarithm: 0.3 is narrow, 0.8 wide.
    pub(crate) spread: f64,
    /// Share of outliers, and by how much they take longer.
    pub(crate) slow: f64,
    pub(crate) slow_factor: f64,
}

impl Latency {
    /// A latency without outliers.
    pub(crate) const fn of(median_ms: f64, spread: f64) -> Self {
        Self { median_ms, spread, slow: 0.0, slow_factor: 1.0 }
    }

    /// The same with outliers.
    pub(crate) const fn with_slow(self, slow: f64, slow_factor: f64) -> Self {
        Self { slow, slow_factor, ..self }
    }
}
