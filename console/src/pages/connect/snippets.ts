// How to send the first trace, for each X-Ray SDK. Every snippet works as it stands once the address is set, and has a
// port of its own, so that they can run side by side.

export interface Snippet {
  id: string
  label: string
  /** What to install. */
  install: string
  code: string
}

export function snippets(): Snippet[] {
  return [
    {
      id: 'python',
      label: 'Python',
      install: 'pip install aws-xray-sdk flask',
      code: `from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
from flask import Flask

app = Flask(__name__)
xray_recorder.configure(service="my-app")
XRayMiddleware(app, xray_recorder)

@app.route("/")
def index():
    return "Hello"

app.run(port=8080)`,
    },
    {
      id: 'node',
      label: 'Node.js',
      install: 'npm install aws-xray-sdk express',
      code: `const xray = require('aws-xray-sdk')
const express = require('express')

const app = express()
app.use(xray.express.openSegment('my-app'))
app.get('/', (request, response) => response.send('Hello'))
app.use(xray.express.closeSegment())
app.listen(8081)`,
    },
    {
      id: 'java',
      label: 'Java',
      install: `<dependency>
  <groupId>com.amazonaws</groupId>
  <artifactId>aws-xray-recorder-sdk-core</artifactId>
  <version>2.20.0</version>
</dependency>`,
      code: `import com.amazonaws.xray.AWSXRay;

public class App {
    public static void main(String[] args) {
        AWSXRay.beginSegment("my-app");
        AWSXRay.createSubsegment("work", subsegment -> {
            subsegment.putAnnotation("tenant", "acme");
        });
        AWSXRay.endSegment();
    }
}`,
    },
    {
      id: 'go',
      label: 'Go',
      install: `go mod init my-app
go get github.com/aws/aws-xray-sdk-go/v2/xray@v2.0.0`,
      code: `package main

import (
	"net/http"

	"github.com/aws/aws-xray-sdk-go/v2/xray"
)

func main() {
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("Hello"))
	})
	http.Handle("/", xray.Handler(xray.NewFixedSegmentNamer("my-app"), hello))
	http.ListenAndServe(":8082", nil)
}`,
    },
  ]
}

/** One segment by hand, with the AWS command line. The ids are new and the times are now. */
export function cliSnippet(origin: string): string {
  return `NOW=$(date +%s)
ID=$(openssl rand -hex 8)
TRACE=1-$(printf %08x $NOW)-$(openssl rand -hex 12)

aws xray put-trace-segments --endpoint-url ${origin} --region us-east-1 --no-sign-request \\
  --trace-segment-documents "{\\"name\\": \\"my-app\\", \\"id\\": \\"$ID\\", \\"trace_id\\": \\"$TRACE\\",
    \\"start_time\\": $NOW.0, \\"end_time\\": $NOW.25}"`
}

/** Lets the Default rule sample every request, with the AWS command line. */
export function traceEverythingSnippet(origin: string): string {
  return `aws xray update-sampling-rule --endpoint-url ${origin} --region us-east-1 --no-sign-request \\
  --sampling-rule-update RuleName=Default,FixedRate=1`
}
