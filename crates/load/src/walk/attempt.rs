//! One try of one call, as the caller's SDK records it.

use roentgen_model::{Flags, Timestamp};

use super::{Caller, Frame, Message, Thrower, Trouble, Walk, flags_of};
use crate::instance::{ACCOUNT, REGION};
use crate::json::Object;
use crate::recording::{
    AwsCall, Cause, Client, Exchange, Link, Subsegment, SubsegmentKind, Thrown, ThrownAt,
};
use crate::topology::{Api, Call, Failure, Latency, Operation, Sdk, StackFrame, Target};

type Attempt = (Subsegment, Result<(), Trouble>);

impl Walk<'_> {
    pub(super) fn attempt(&mut self, call: &'static Call, frame: &Frame) -> Attempt {
        match call.target {
            Target::Service(operation) => self.call_service(operation, frame),
            Target::Invoke(function) => self.invoke(call, function, frame),
            Target::Queue { name, consumer } => self.send(call, name, consumer, frame),
            Target::Aws { api, operation, parameter } => {
                let mut parameters = Object::new();
                if let Some((key, value)) = parameter {
                    parameters = parameters.with(key, value);
                }
                if api == Api::S3 {
                    parameters = parameters.with("key", self.visit.fill("objects/{product}"));
                }
                self.call_aws(call, api, operation, parameters, frame)
            }
            Target::Sql { database, query } => {
                let name = format!("{}@{}", database.name, database.host);
                self.call_bare(call, name, SubsegmentKind::Sql { database, query }, frame)
            }
            Target::Cache(name) => {
                self.call_bare(call, name.to_owned(), SubsegmentKind::Remote, frame)
            }
            Target::Https { method, host, path } => {
                self.call_https(call, method, host, path, frame)
            }
        }
    }

    fn call_service(&mut self, operation: &'static Operation, frame: &Frame) -> Attempt {
        let id = self.random.segment_id();
        let arrival = frame.now.plus(self.transit());
        let client =
            Client { ip: frame.ip.clone(), user_agent: user_agent(frame), is_forwarded: false };
        let reply = self.serve(operation, arrival, Caller { parent_id: Some(id), client });
        let end = reply.end.plus(self.transit());
        let url = self.url(operation);
        let result = match reply.status {
            500.. => Err(self.bad_response(frame, reply.status, &url, 502)),
            status @ 400.. => Err(Trouble { status, exception: Thrower::Nothing }),
            _ => Ok(()),
        };
        let exchange = self.exchange(operation.method, url, Some(reply.status));
        let subsegment = Subsegment {
            id,
            flags: flags_of(reply.status),
            ..self.subsegment(
                operation.service.host,
                SubsegmentKind::Http { exchange, is_traced: true },
                frame.now,
                end,
            )
        };
        (subsegment, result)
    }

    fn call_https(
        &mut self,
        call: &Call,
        method: &'static str,
        host: &'static str,
        path: &str,
        frame: &Frame,
    ) -> Attempt {
        let failure = self.failure(call);
        let end = frame.now.plus(self.random.duration(latency(call, failure)));
        let url = format!("https://{host}{path}");
        let status = failure.map_or(Some(200), |failure| failure.status);
        let mut trouble = failure.map(|failure| self.https_trouble(failure, frame, &url));
        let exchange = self.exchange(method, url, status);
        let kind = SubsegmentKind::Http { exchange, is_traced: false };
        let mut subsegment = self.subsegment(host, kind, frame.now, end);
        match status {
            Some(status) => subsegment.flags = flags_of(status),
            // Without a response it is the client that throws, within the subsegment.
            None => {
                subsegment.flags.fault = true;
                if let Some(thrown) = trouble {
                    let (cause, passed_on) = thrown.leave(subsegment.id);
                    subsegment.cause = cause;
                    trouble = Some(passed_on);
                }
            }
        }
        (subsegment, trouble.map_or(Ok(()), Err))
    }

    fn https_trouble(&mut self, failure: &Failure, frame: &Frame, url: &str) -> Trouble {
        match (failure.exception, failure.status) {
            (Some(exception), _) => Trouble {
                status: failure.answer,
                exception: Thrower::Here(self.throw(exception, false)),
            },
            (None, Some(status)) if failure.answer >= 500 => {
                self.bad_response(frame, status, url, failure.answer)
            }
            _ => Trouble { status: failure.answer, exception: Thrower::Nothing },
        }
    }

    fn call_aws(
        &mut self,
        call: &Call,
        api: Api,
        operation: &'static str,
        parameters: Object,
        frame: &Frame,
    ) -> Attempt {
        let failure = self.failure(call);
        let end = frame.now.plus(self.random.duration(latency(call, failure)));
        // A client gives up after the last try; else now and then the second one succeeds.
        let retries = match failure {
            Some(failure) if failure.is_throttle => call.attempts.saturating_sub(1),
            None if call.attempts > 1 && self.random.chance(0.02) => 1,
            _ => 0,
        };
        let success = if call_is_accepted(call) { 202 } else { 200 };
        let status = failure.and_then(|failure| failure.status).unwrap_or(success);
        let request_id = self.request_id();
        let kind =
            SubsegmentKind::Aws(AwsCall { operation, parameters, request_id, retries, status });
        let mut subsegment =
            self.subsegment(api_name(frame.service.sdk, api), kind, frame.now, end);
        let result = self.fail(&mut subsegment, failure, true);
        if let Some(failure) = failure {
            subsegment.flags = aws_flags(frame.service.sdk, failure);
        }
        (subsegment, result)
    }

    /// A call that records neither HTTP nor AWS facts.
    fn call_bare(
        &mut self,
        call: &Call,
        name: String,
        kind: SubsegmentKind,
        frame: &Frame,
    ) -> Attempt {
        let failure = self.failure(call);
        let end = frame.now.plus(self.random.duration(latency(call, failure)));
        let mut subsegment = self.subsegment(&name, kind, frame.now, end);
        let result = self.fail(&mut subsegment, failure, false);
        subsegment.flags.fault = failure.is_some();
        (subsegment, result)
    }

    fn invoke(
        &mut self,
        call: &'static Call,
        function: &'static Operation,
        frame: &Frame,
    ) -> Attempt {
        let parameters = Object::new()
            .with("function_name", function.service.name)
            .with("invocation_type", "Event");
        let (subsegment, result) = self.call_aws(call, Api::Lambda, "Invoke", parameters, frame);
        let begin = subsegment.end.plus(self.random.pause(2.0, 60.0));
        self.run_function(function, begin, Some(subsegment.id), None);
        (subsegment, result)
    }

    fn send(
        &mut self,
        call: &'static Call,
        queue: &str,
        consumer: &'static Operation,
        frame: &Frame,
    ) -> Attempt {
        let url = format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{queue}");
        let parameters = Object::new().with("queue_url", url);
        let (subsegment, result) = self.call_aws(call, Api::Sqs, "SendMessage", parameters, frame);
        let waits = self.random.duration(Latency::of(180.0, 0.8));
        self.messages.push(Message {
            consumer,
            consumed_at: subsegment.end.plus(waits),
            link: Link { trace_id: self.trace_id, id: subsegment.id },
        });
        (subsegment, result)
    }

    /// Draws how the call fails, if it does.
    fn failure(&mut self, call: &Call) -> Option<&'static Failure> {
        let mut drawn = self.random.fraction();
        call.failures.iter().find(|failure| {
            drawn -= failure.probability;
            drawn < 0.0
        })
    }

    /// Records the client's exception in the subsegment. Only an answer of 500 or more lets it pass
    /// on to the caller; below that the service has caught it.
    fn fail(
        &mut self,
        subsegment: &mut Subsegment,
        failure: Option<&Failure>,
        is_remote: bool,
    ) -> Result<(), Trouble> {
        let Some(failure) = failure else { return Ok(()) };
        let thrown = failure.exception.map(|exception| self.throw(exception, is_remote));
        let first = thrown.as_ref().and_then(|thrown| thrown.first()).map(|thrown| thrown.id);
        subsegment.cause = thrown.map(Cause::Thrown);
        let exception = match first {
            Some(exception) if failure.answer >= 500 => {
                Thrower::Within(ThrownAt { exception, entity: subsegment.id })
            }
            _ => Thrower::Nothing,
        };
        Err(Trouble { status: failure.answer, exception })
    }

    /// The exception that an HTTP client of the caller's language throws over a response.
    fn bad_response(&mut self, frame: &Frame, status: u16, url: &str, answer: u16) -> Trouble {
        let (kind, message, stack) = response_exception(frame.service.sdk, status, url);
        let thrown = Thrown {
            id: self.random.segment_id(),
            kind,
            message,
            stack,
            is_remote: false,
            caused_by: None,
        };
        Trouble { status: answer, exception: Thrower::Here(vec![thrown]) }
    }

    fn subsegment(
        &mut self,
        name: &str,
        kind: SubsegmentKind,
        start: Timestamp,
        end: Timestamp,
    ) -> Subsegment {
        Subsegment {
            id: self.random.segment_id(),
            name: name.to_owned(),
            kind,
            start,
            end,
            flags: Flags::default(),
            cause: None,
            annotations: Vec::new(),
            subsegments: Vec::new(),
        }
    }

    fn exchange(&mut self, method: &'static str, url: String, status: Option<u16>) -> Exchange {
        let content_length = self.random.between(120, 24_000);
        Exchange { method, url, status, content_length, client: None }
    }

    pub(super) fn request_id(&mut self) -> String {
        let random = &mut *self.random;
        let parts = [8, 4, 4, 4, 12].map(|digits| random.hex(digits));
        parts.join("-")
    }
}

fn latency(call: &Call, failure: Option<&Failure>) -> Latency {
    failure.and_then(|failure| failure.latency).unwrap_or(call.latency)
}

/// Lambda answers 202 when it is not to wait for the function.
fn call_is_accepted(call: &Call) -> bool {
    matches!(call.target, Target::Invoke(_))
}

/// The flags of a failed AWS call. Python and Node set `fault` for every exception, beside what the
/// status says; Node and Java know AWS's throttling errors, which mostly come with status 400.
fn aws_flags(sdk: Sdk, failure: &Failure) -> Flags {
    let flags = failure.status.map(flags_of).unwrap_or_default();
    Flags {
        error: flags.error,
        throttle: flags.throttle || (failure.is_throttle && sdk != Sdk::Python),
        fault: flags.fault || sdk != Sdk::Java,
    }
}

/// The name under which an SDK records calls of an AWS service.
fn api_name(sdk: Sdk, api: Api) -> &'static str {
    match (sdk, api) {
        (Sdk::Python, Api::Cognito) => "cognito-idp",
        (Sdk::Python, Api::DynamoDb) => "dynamodb",
        (Sdk::Python, Api::Lambda) => "lambda",
        (Sdk::Python, Api::S3) => "s3",
        (Sdk::Python, Api::SecretsManager) => "secretsmanager",
        (Sdk::Python, Api::Ses) => "ses",
        (Sdk::Python, Api::Sns) => "sns",
        (Sdk::Python, Api::Sqs) => "sqs",
        (Sdk::Java, Api::Cognito) => "CognitoIdentityProvider",
        (Sdk::Java, Api::DynamoDb) => "DynamoDb",
        (Sdk::Java, Api::Ses) => "Ses",
        (Sdk::Java, Api::Sns) => "Sns",
        (Sdk::Java, Api::Sqs) => "Sqs",
        (Sdk::Node, Api::Cognito) => "CognitoIdentityProvider",
        (Sdk::Node, Api::DynamoDb) => "DynamoDB",
        (Sdk::Node, Api::Ses) => "SES",
        (Sdk::Node, Api::Sns) => "SNS",
        (Sdk::Node, Api::Sqs) => "SQS",
        (Sdk::Java | Sdk::Node, Api::Lambda) => "Lambda",
        (Sdk::Java | Sdk::Node, Api::S3) => "S3",
        (Sdk::Java | Sdk::Node, Api::SecretsManager) => "SecretsManager",
    }
}

fn user_agent(frame: &Frame) -> &'static str {
    match frame.service.sdk {
        Sdk::Python => "python-requests/2.32.3",
        Sdk::Node => "axios/1.9.0",
        Sdk::Java => "Apache-HttpClient/5.4.4 (Java/21.0.7)",
    }
}

/// Type, message and stack of the exception that a client throws over a response of 500 or more.
fn response_exception(
    sdk: Sdk,
    status: u16,
    url: &str,
) -> (&'static str, String, &'static [StackFrame]) {
    let reason = match status {
        429 => "Too Many Requests",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Internal Server Error",
    };
    match sdk {
        Sdk::Python => {
            let side = if status < 500 { "Client" } else { "Server" };
            (
                "HTTPError",
                format!("{status} {side} Error: {reason} for url: {url}"),
                &[("models.py", 1026, "raise_for_status"), ("upstream.py", 34, "request")],
            )
        }
        Sdk::Node => (
            "AxiosError",
            format!("Request failed with status code {status}"),
            &[
                ("/app/node_modules/axios/dist/node/axios.cjs", 2090, "settle"),
                (
                    "/app/node_modules/axios/dist/node/axios.cjs",
                    3207,
                    "IncomingMessage.handleStreamEnd",
                ),
                ("node:events", 530, "IncomingMessage.emit"),
                ("/app/src/upstream.js", 27, "async request"),
            ],
        ),
        Sdk::Java => (
            "org.springframework.web.client.HttpServerErrorException",
            format!("{status} {reason}: [no body]"),
            &[
                (
                    "DefaultResponseErrorHandler.java",
                    186,
                    "org.springframework.web.client.DefaultResponseErrorHandler.handleError",
                ),
                ("RestTemplate.java", 952, "org.springframework.web.client.RestTemplate.doExecute"),
                ("Upstream.java", 58, "example.shop.http.Upstream.call"),
            ],
        ),
    }
}
