//! `roentgen healthcheck`: asks a running server whether it is well, for images without curl.

use std::net::SocketAddr;

use roentgen_ops::{Environment, ask_health, reachable, resolve};

use crate::cli::{HealthcheckArgs, ServeArgs};
use crate::config::Config;

/// Fails unless the server answers `GET /healthz` with 200.
pub fn healthcheck(args: &HealthcheckArgs, environment: &dyn Environment) -> anyhow::Result<()> {
    Ok(ask_health(target(args, environment)?)?)
}

/// The address as it was given, else the one that a server started with this environment and
/// file listens on.
fn target(args: &HealthcheckArgs, environment: &dyn Environment) -> anyhow::Result<SocketAddr> {
    let asked = match &args.to {
        Some(to) => to.clone(),
        None => {
            let args = ServeArgs { config: args.config.clone(), ..ServeArgs::default() };
            Config::gather(&args, environment)?.bind
        }
    };
    Ok(reachable(resolve(&asked)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_server_is_looked_for_where_it_was_told_to_listen() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"bind: 0.0.0.0:3").unwrap();
        let path = file.path().display().to_string();
        let check = |to: Option<&str>, variables: &[(&str, &str)], expect: &str| {
            let args = HealthcheckArgs { to: to.map(str::to_owned), config: None };
            let variables = variables.iter().map(|(name, value)| (*name, *value));
            let environment: BTreeMap<String, String> =
                variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(target(&args, &environment).unwrap(), expect.parse().unwrap());
        };
        let file_variable = ("ROENTGEN_CONFIG", path.as_str());
        check(Some("0.0.0.0:1"), &[("ROENTGEN_BIND", "192.0.2.2:2"), file_variable], "127.0.0.1:1");
        check(None, &[("ROENTGEN_BIND", "192.0.2.2:2"), file_variable], "192.0.2.2:2");
        check(None, &[file_variable], "127.0.0.1:3");
        check(None, &[], "127.0.0.1:2000");
        let config = Some(file.path().to_owned());
        let args = HealthcheckArgs { to: None, config };
        assert_eq!(target(&args, &BTreeMap::new()).unwrap(), "127.0.0.1:3".parse().unwrap());
    }
}
