"""Stand-ins for the two parts of AWS that no emulator has.

The ECS API (with the one EC2 action that finds a task's network interface), which runs tasks as Docker containers or as
processes and puts their state changes on a queue in EventBridge's envelope; and the EventBridge Pipe that moves the
records of a DynamoDB stream to a queue. Everything else of AWS is left to an emulator at `LOCALAWS_ENDPOINT_URL`.

For one machine that is trusted: requests must look signed, but no signature is checked.
"""
