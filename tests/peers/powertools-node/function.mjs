// The same job with Powertools for AWS Lambda: a batch of SQS messages, each with an idempotency record in DynamoDB.
//
// The loop at the end stands for the runtime of Lambda, whose own client is at least as large: it asks for an event, calls the
// handler and posts the answer, over one kept connection.

import http from 'node:http';
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency';
import { DynamoDBPersistenceLayer } from '@aws-lambda-powertools/idempotency/dynamodb';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';

const persistenceStore = new DynamoDBPersistenceLayer({
  tableName: process.env.SENDOFF_INBOX_TABLE,
  awsSdkV3Client: new DynamoDBClient({}),
});
const config = new IdempotencyConfig({ eventKeyJmesPath: 'id' });
const processor = new BatchProcessor(EventType.SQS);

const handle = makeIdempotent(async (event) => ({ handled: event.id }), { persistenceStore, config });
const recordHandler = async (record) => handle(JSON.parse(record.body));

const handler = async (event, context) => {
  config.registerLambdaContext(context);
  if (!event.Records) throw new Error('this is no batch of SQS messages');
  return processPartialResponse(event, recordHandler, processor, { context });
};

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

const ask = (method, path, body) =>
  new Promise((resolve, reject) => {
    const request = http.request({ host, port, agent, method, path: `/2018-06-01/runtime/invocation/${path}` }, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(pieces) }));
    });
    request.on('error', reject);
    if (body !== undefined) request.setHeader('content-length', Buffer.byteLength(body));
    request.end(body);
  });

for (;;) {
  const next = await ask('GET', 'next');
  const id = next.headers['lambda-runtime-aws-request-id'];
  const context = {
    functionName: 'report',
    awsRequestId: id,
    invokedFunctionArn: next.headers['lambda-runtime-invoked-function-arn'],
    memoryLimitInMB: '256',
    getRemainingTimeInMillis: () => 60_000,
  };
  try {
    await ask('POST', `${id}/response`, JSON.stringify(await handler(JSON.parse(next.body), context)));
  } catch (error) {
    await ask('POST', `${id}/error`, JSON.stringify({ errorType: error.name, errorMessage: error.message }));
  }
}
