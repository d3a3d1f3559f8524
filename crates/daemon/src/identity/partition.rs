//! The partitions of AWS: which domain the services of a region answer under.
//!
//! Source: `partitions.json`, which every AWS SDK carries (botocore/data/partitions.json; the copy
//! in aws-sdk-sts 1.124 is the one compared here). A region is told by its prefix and not by the
//! list of known regions, so that new regions work with an old daemon.

/// One partition: the prefix of its regions, its domain, and the region whose STS is always on.
struct Partition {
    prefix: &'static str,
    domain: &'static str,
    /// Where the official daemon falls back to when STS of the region itself is turned off; for the
    /// partitions it does not know, `implicitGlobalRegion`.
    primary_region: &'static str,
}

/// What regions of no known prefix belong to, made-up ones included, as with the official daemon.
const DEFAULT: Partition =
    Partition { prefix: "", domain: "amazonaws.com", primary_region: "us-east-1" };

const PARTITIONS: &[Partition] = &[
    Partition { prefix: "cn-", domain: "amazonaws.com.cn", primary_region: "cn-north-1" },
    Partition { prefix: "us-gov-", domain: "amazonaws.com", primary_region: "us-gov-west-1" },
    Partition { prefix: "us-iso-", domain: "c2s.ic.gov", primary_region: "us-iso-east-1" },
    Partition { prefix: "us-isob-", domain: "sc2s.sgov.gov", primary_region: "us-isob-east-1" },
    Partition { prefix: "eu-isoe-", domain: "cloud.adc-e.uk", primary_region: "eu-isoe-west-1" },
    Partition { prefix: "us-isof-", domain: "csp.hci.ic.gov", primary_region: "us-isof-south-1" },
    Partition { prefix: "eusc-", domain: "amazonaws.eu", primary_region: "eusc-de-east-1" },
];

fn partition_of(region: &str) -> &'static Partition {
    PARTITIONS.iter().find(|partition| region.starts_with(partition.prefix)).unwrap_or(&DEFAULT)
}

/// The address of X-Ray in a region, e.g. `https://xray.eu-central-1.amazonaws.com`.
pub(crate) fn endpoint_of(region: &str) -> String {
    format!("https://xray.{region}.{}", partition_of(region).domain)
}

/// The region of the same partition whose STS cannot be turned off.
pub(super) fn primary_region_of(region: &str) -> &'static str {
    partition_of(region).primary_region
}

/// Whether a host belongs to AWS: the services themselves and VPC endpoints, which end alike.
pub(super) fn is_aws_host(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let ends_in = |domain: &str| {
        host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    PARTITIONS.iter().any(|partition| ends_in(partition.domain)) || ends_in(DEFAULT.domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_endpoint(region: &str, expect: &str) {
        assert_eq!(endpoint_of(region), expect);
    }

    #[test]
    fn endpoints() {
        check_endpoint("us-east-1", "https://xray.us-east-1.amazonaws.com");
        check_endpoint("eu-central-1", "https://xray.eu-central-1.amazonaws.com");
        check_endpoint("cn-north-1", "https://xray.cn-north-1.amazonaws.com.cn");
        check_endpoint("cn-northwest-1", "https://xray.cn-northwest-1.amazonaws.com.cn");
        check_endpoint("us-gov-west-1", "https://xray.us-gov-west-1.amazonaws.com");
        check_endpoint("us-iso-east-1", "https://xray.us-iso-east-1.c2s.ic.gov");
        check_endpoint("us-isob-east-1", "https://xray.us-isob-east-1.sc2s.sgov.gov");
        check_endpoint("eu-isoe-west-1", "https://xray.eu-isoe-west-1.cloud.adc-e.uk");
        check_endpoint("us-isof-south-1", "https://xray.us-isof-south-1.csp.hci.ic.gov");
        check_endpoint("eusc-de-east-1", "https://xray.eusc-de-east-1.amazonaws.eu");
        check_endpoint("mars-1", "https://xray.mars-1.amazonaws.com");
    }

    #[test]
    fn primary_regions_stay_within_the_partition() {
        assert_eq!(primary_region_of("ap-south-1"), "us-east-1");
        for partition in PARTITIONS {
            let region = partition.primary_region;
            assert!(region.starts_with(partition.prefix), "{region}");
            assert_eq!(primary_region_of(region), region);
        }
    }

    fn check_aws(host: &str, expect: bool) {
        assert_eq!(is_aws_host(host), expect, "{host}");
    }

    #[test]
    fn hosts_of_aws() {
        check_aws("xray.us-east-1.amazonaws.com", true);
        check_aws("XRAY.us-east-1.AmazonAWS.com.", true);
        check_aws("vpce-0a1b-2c3d.xray.eu-west-1.vpce.amazonaws.com", true);
        check_aws("xray.cn-north-1.amazonaws.com.cn", true);
        check_aws("xray.us-isob-east-1.sc2s.sgov.gov", true);
        check_aws("xray.eusc-de-east-1.amazonaws.eu", true);
        check_aws("notamazonaws.com", false);
        check_aws("amazonaws.com.example.org", false);
        check_aws("localhost", false);
        check_aws("127.0.0.1", false);
    }
}
