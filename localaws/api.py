"""From a request to its answer: which action, checked how, refused how. Knows nothing of sockets."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from localaws.actions import Action
from localaws.ec2 import Interfaces
from localaws.errors import AwsError
from localaws.faults import FaultSwitches
from localaws.shapes import check_input
from localaws.wire import Answer, Call, ec2_answer, ec2_error, ecs_answer, ecs_error, read_call
from wallcrawler import log as logs

log = logs.get()


class Api:
    """ECS and EC2 on one port: the header X-Amz-Target tells them apart."""

    def __init__(self, ecs: Mapping[str, Action], interfaces: Interfaces, faults: FaultSwitches) -> None:
        self._ecs = ecs
        self._ec2: Mapping[str, Action] = {"DescribeNetworkInterfaces": interfaces.describe}
        self._faults = faults

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        request_id = str(uuid.uuid4())
        refused = ec2_error if headers.get("X-Amz-Target") is None else ecs_error
        try:
            call = read_call(headers, body)
            if self._faults.take_throttle():
                raise self._throttled(call)
            if call.service == "ec2":
                return ec2_answer(call.action, self._of(self._ec2, call)(call.params), request_id)
            act = self._of(self._ecs, call)
            return ecs_answer(act(check_input(call.action, call.params)), request_id)
        except AwsError as error:
            log.info("call.refused", code=error.code, why=error.message)
            return refused(error, request_id)
        except Exception:  # a client must get an answer that it can read, whatever is broken here
            log.exception("call.failed", request=request_id)
            return refused(AwsError("ServerException", "Internal server error.", status=500), request_id)

    @staticmethod
    def _of(actions: Mapping[str, Action], call: Call) -> Action:
        if act := actions.get(call.action):
            return act
        if call.service == "ec2":
            raise AwsError("InvalidAction", f"The action {call.action} is not valid for this web service.")
        raise AwsError("UnknownOperationException", f"localaws has no {call.action}")

    @staticmethod
    def _throttled(call: Call) -> AwsError:
        if call.service == "ec2":
            return AwsError("RequestLimitExceeded", "Request limit exceeded.", status=503)
        return AwsError("ThrottlingException", "Rate exceeded")
