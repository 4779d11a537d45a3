"""The EventBridge Pipe from a DynamoDB stream to an SQS queue."""
