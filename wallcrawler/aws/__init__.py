"""Adapters for AWS: the only folder that may say boto3."""
