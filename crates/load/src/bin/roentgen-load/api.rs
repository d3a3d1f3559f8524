//! Requests to the X-Ray API: their heads, signed or not, and the answers to queries.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use roentgen_protocol::Operation;
use roentgen_sigv4::{Credentials, Payload, Request, Signer};
use serde_json::Value as Json;

use crate::http::{Address, Connection};

/// What X-Ray signs for.
const SERVICE: &str = "xray";

/// With what requests are signed.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
    pub(crate) region: String,
}

/// Writes the heads of requests to one server.
#[derive(Debug)]
pub(crate) struct Heads {
    host: String,
    signer: Option<Signer>,
}

/// Queries of one server.
#[derive(Debug)]
pub(crate) struct Api {
    connection: Connection,
    heads: Heads,
}

impl Heads {
    pub(crate) fn new(address: &Address, keys: Option<&Keys>) -> Self {
        let signer = keys.map(|keys| {
            let credentials =
                Credentials::new(keys.access_key_id.as_str(), keys.secret_access_key.as_str());
            let credentials = match &keys.session_token {
                Some(token) => credentials.with_session_token(token.as_str()),
                None => credentials,
            };
            Signer::new(credentials, keys.region.as_str(), SERVICE)
        });
        Self { host: address.to_string(), signer }
    }

    /// The head of a call of an operation, signed at `now` when there are keys.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn post(
        &self,
        operation: Operation,
        body: &[u8],
        now: SystemTime,
        head: &mut String,
    ) -> anyhow::Result<()> {
        let path = operation.path();
        head.clear();
        write!(
            head,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n",
            self.host,
            body.len()
        )?;
        if let Some(signer) = &self.signer {
            let headers: [(&str, &[u8]); 2] =
                [("host", self.host.as_bytes()), ("content-type", b"application/json")];
            let request = Request {
                method: "POST",
                path,
                query: "",
                headers: &headers,
                payload: Payload::Bytes(body),
            };
            let signed = signer.sign(&request, now).context("sign a request")?;
            write!(
                head,
                "X-Amz-Date: {}\r\nAuthorization: {}\r\n",
                signed.x_amz_date, signed.authorization
            )?;
            if let Some(token) = signed.x_amz_security_token {
                write!(head, "X-Amz-Security-Token: {token}\r\n")?;
            }
        }
        head.push_str("\r\n");
        Ok(())
    }

    fn get(&self, path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host)
    }
}

impl Api {
    pub(crate) fn new(address: &Address, keys: Option<&Keys>, timeout: Duration) -> Self {
        Self {
            connection: Connection::new(address.clone(), timeout),
            heads: Heads::new(address, keys),
        }
    }

    /// Asks for something; gives the answer's JSON.
    ///
    /// # Errors
    /// When there is no answer, another status than 200, or no JSON in it.
    pub(crate) fn ask(
        &mut self,
        operation: Operation,
        body: &Json,
        now: SystemTime,
    ) -> anyhow::Result<Json> {
        let body = body.to_string();
        let mut head = String::new();
        self.heads.post(operation, body.as_bytes(), now, &mut head)?;
        let answer = self.connection.exchange(head.as_bytes(), body.as_bytes())?;
        if answer.status != 200 {
            let text: String = String::from_utf8_lossy(answer.body).chars().take(200).collect();
            bail!("{} answered {}: {text}", operation.name(), answer.status);
        }
        serde_json::from_slice(answer.body)
            .with_context(|| format!("{} answered what is no JSON", operation.name()))
    }

    /// The text of a page; for `/metrics`.
    ///
    /// # Errors
    /// When there is no answer, or another status than 200.
    pub(crate) fn page(&mut self, path: &str) -> anyhow::Result<String> {
        let head = self.heads.get(path);
        let answer = self.connection.exchange(head.as_bytes(), b"")?;
        if answer.status != 200 {
            bail!("{path} answered {}", answer.status);
        }
        Ok(String::from_utf8_lossy(answer.body).into_owned())
    }
}

/// The error that an answer names: the last part of `__type`, whatever stands before it.
pub(crate) fn error_name(body: &[u8]) -> Option<String> {
    let json: Json = serde_json::from_slice(body).ok()?;
    let name = json.get("__type")?.as_str()?;
    let name = name.rsplit(['#', '.']).next()?;
    Some(name.split(':').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names() {
        let check = |body: &str, expect: Option<&str>| {
            assert_eq!(error_name(body.as_bytes()).as_deref(), expect, "{body}");
        };
        check(r#"{"__type":"ThrottledException"}"#, Some("ThrottledException"));
        check(r#"{"__type":"com.amazonaws.xray#ThrottledException"}"#, Some("ThrottledException"));
        check(r#"{"Message":"no"}"#, None);
        check("<html>", None);
    }

    #[test]
    fn heads_are_signed_when_there_are_keys() {
        let address: Address = "localhost:2000".parse().unwrap();
        let keys = Keys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: Some("token".to_owned()),
            region: "eu-west-1".to_owned(),
        };
        let head = |keys: Option<&Keys>| {
            let mut head = String::new();
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_334_983);
            let heads = Heads::new(&address, keys);
            heads.post(Operation::PutTraceSegments, b"{}", now, &mut head).unwrap();
            head
        };
        assert_eq!(
            head(None),
            "POST /TraceSegments HTTP/1.1\r\nHost: localhost:2000\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        );
        let signed = head(Some(&keys));
        let credential = "Credential=AKIDEXAMPLE/20261122/eu-west-1/xray/aws4_request";
        assert!(signed.contains(credential), "{signed}");
        assert!(signed.contains("\r\nX-Amz-Security-Token: token\r\n"), "{signed}");
        assert!(signed.ends_with("\r\n\r\n") && signed.contains("\r\nX-Amz-Date: 20261122T"));
    }
}
