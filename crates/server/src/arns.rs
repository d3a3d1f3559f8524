//! The account and region that ARNs name. Nothing depends on them: there is one account.

/// AWS's first region.
pub(crate) const REGION: &str = "us-east-1";

/// The account that other local stand-ins for AWS use.
pub(crate) const ACCOUNT_ID: &str = "000000000000";
