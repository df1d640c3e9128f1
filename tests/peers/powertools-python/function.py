"""The same job with Powertools for AWS Lambda: a batch of SQS messages, each with an idempotency record in DynamoDB.

The loop at the end stands for the runtime of Lambda, whose own client is at least as large: it asks for an event, calls the
handler and posts the answer, over one kept connection.
"""

import http.client
import json
import os

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from botocore.config import Config

client = boto3.client("dynamodb", config=Config(parameter_validation=False, max_pool_connections=20))
store = DynamoDBPersistenceLayer(table_name=os.environ["SENDOFF_INBOX_TABLE"], boto3_client=client)
config = IdempotencyConfig(event_key_jmespath="id")
processor = BatchProcessor(event_type=EventType.SQS)


@idempotent_function(data_keyword_argument="event", config=config, persistence_store=store)
def handle(event):
    return {"handled": event["id"]}


def record_handler(record):
    return handle(event=json.loads(record.body))


class Context:
    function_name = "report"
    memory_limit_in_mb = 256

    def __init__(self, headers):
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]

    def get_remaining_time_in_millis(self):
        return 60_000


def handler(event, context):
    config.register_lambda_context(context)
    if "Records" not in event:
        raise ValueError("this is no batch of SQS messages")
    return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)


def main():
    runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        runtime.request("GET", "/2018-06-01/runtime/invocation/next")
        response = runtime.getresponse()
        event, context = json.loads(response.read()), Context(response.headers)
        try:
            path, answer = "response", handler(event, context)
        except Exception as error:
            path, answer = "error", {"errorType": type(error).__name__, "errorMessage": str(error)}
        body = json.dumps(answer)
        runtime.request("POST", f"/2018-06-01/runtime/invocation/{context.aws_request_id}/{path}", body)
        runtime.getresponse().read()


main()
