// An Express app that calls another service: the official SDK makes one trace of both.
// Nothing in here knows Roentgen. The SDK sends to 127.0.0.1:2000 unless AWS_XRAY_DAEMON_ADDRESS says
// otherwise; PORT chooses where the app listens, DOWNSTREAM whom it asks.
'use strict';

const AWSXRay = require('aws-xray-sdk');
const http = require('http');

AWSXRay.captureHTTPsGlobal(http, true);

const express = require('express');

const port = Number(process.env.PORT || 8081);
const downstream = process.env.DOWNSTREAM || 'http://127.0.0.1:8080/';
const app = express();

app.use(AWSXRay.express.openSegment('shop'));

app.get('/', (request, response) => {
  http
    .get(downstream, (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += chunk));
      answer.on('end', () => response.send(`the other service says: ${text}\n`));
    })
    .on('error', (error) => response.status(502).send(`${downstream}: ${error.message}\n`));
});

app.use(AWSXRay.express.closeSegment());

const server = app.listen(port, () => console.log(`listening on port ${port}`));

// As process 1 of a container nobody else would end it.
process.on('SIGTERM', () => server.close(() => process.exit(0)));
