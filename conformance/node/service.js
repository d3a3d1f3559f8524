// An Express service with the official middleware. SERVICE_NAME names it; with DOWNSTREAM set it calls
// that URL through the captured HTTP client, so that two of them make a connected trace.
// Prints `listening on URL` once it serves, on a port of its own choice.
'use strict';

const AWSXRay = require('aws-xray-sdk');
const http = require('http');

AWSXRay.captureHTTPsGlobal(http, true);

const express = require('express');

const name = process.env.SERVICE_NAME;
const downstream = process.env.DOWNSTREAM;
const app = express();

app.use(AWSXRay.express.openSegment(name));

app.get('/', (request, response) => {
  const segment = AWSXRay.getSegment();
  segment.addAnnotation('service', name);
  segment.addMetadata('answer', { largest: Number.MAX_SAFE_INTEGER, none: null });
  if (!downstream) {
    response.send('in stock');
    return;
  }
  http
    .get(downstream, (answer) => {
      answer.resume();
      answer.on('end', () => response.send(`stock answered ${answer.statusCode}`));
    })
    .on('error', (error) => response.status(502).send(error.message));
});

app.get('/broken', () => {
  throw new TypeError('the shelf fell down');
});

app.use(AWSXRay.express.closeSegment());

const server = app.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
