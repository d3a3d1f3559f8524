//! The machines and containers that the services run on.

use crate::json::{Json, Object};
use crate::random::Random;
use crate::topology::{Platform, Sdk, Service};

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const ACCOUNT: &str = "123456789012";

const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];

/// One of the instances of a service.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    /// Its address in the shop's network.
    pub(crate) ip: String,
    zone: &'static str,
    instance_id: String,
    container_id: String,
}

impl Instance {
    /// Instance `number` of a service; always the same for the same shop.
    pub(crate) fn of(shop_seed: u64, service: &Service, number: u32) -> Self {
        // FNV-1a, to tell the services apart.
        let name_hash = service.name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        let mut random = Random::from_seed(shop_seed ^ name_hash.wrapping_add(number.into()));
        Self {
            ip: format!("10.0.{}.{}", random.between(1, 3), random.between(4, 250)),
            zone: random.pick(&ZONES),
            instance_id: format!("i-0{}", random.hex(16)),
            container_id: format!("{}{}", random.hex(16), random.hex(16)),
        }
    }

    /// The part of a segment's `aws` block that tells where the service runs.
    pub(crate) fn aws(&self, service: &Service) -> Object {
        match service.platform {
            Platform::Ec2 => Object::new().with("ec2", self.ec2(service.sdk)),
            Platform::ElasticBeanstalk => Object::new()
                .with("ec2", self.ec2(service.sdk))
                .with("elastic_beanstalk", beanstalk(service)),
            Platform::EcsContainer | Platform::EcsFargate => {
                let with_logs = service.sdk == Sdk::Java;
                Object::new()
                    .with("ecs", self.ecs(service))
                    .with_some("cloudwatch_logs", with_logs.then(|| log_groups(service)))
            }
            Platform::Eks => Object::new().with("eks", self.eks(service)),
            Platform::Lambda => Object::new(),
        }
    }

    fn ec2(&self, sdk: Sdk) -> Object {
        // The SDKs do not agree on the name of the size.
        let size = if sdk == Sdk::Python { "instance_type" } else { "instance_size" };
        Object::new()
            .with("availability_zone", self.zone)
            .with("instance_id", self.instance_id.as_str())
            .with(size, "t3.medium")
            .with("ami_id", "ami-0c02fb55956c7d316")
    }

    fn ecs(&self, service: &Service) -> Object {
        let host_name = format!("ip-{}.ec2.internal", self.ip.replace('.', "-"));
        let ecs = Object::new().with("container", host_name);
        if service.sdk != Sdk::Java {
            return ecs;
        }
        let arn = format!("arn:aws:ecs:{REGION}:{ACCOUNT}:container/shop/{}", self.container_id);
        ecs.with("container_id", self.container_id.as_str()).with("container_arn", arn)
    }

    fn eks(&self, service: &Service) -> Object {
        let short_id: String = self.container_id.chars().take(5).collect();
        Object::new()
            .with("cluster_name", "shop")
            .with("pod", format!("{}-7d9c6b5f4-{short_id}", service.name))
            .with("container_id", self.container_id.as_str())
    }
}

fn beanstalk(service: &Service) -> Object {
    Object::new()
        .with("environment_name", format!("{}-production", service.name))
        .with("version_label", service.version)
        .with("deployment_id", 118u32)
}

fn log_groups(service: &Service) -> Json {
    let group = format!("/ecs/{}", service.name);
    let arn = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}");
    vec![Object::new().with("log_group", group).with("arn", arn).into()].into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::SERVICES;

    #[test]
    fn instances_are_told_apart_and_stay_the_same() {
        let mut ids = Vec::new();
        for service in SERVICES {
            for number in 0..service.instances {
                let instance = Instance::of(9, service, number);
                assert_eq!(instance.instance_id, Instance::of(9, service, number).instance_id);
                ids.push(instance.instance_id);
            }
        }
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}
