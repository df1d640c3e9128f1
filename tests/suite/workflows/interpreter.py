"""Runs state machines on moto's interpreter, each with a script of what its tasks answer.

Reads one case per line on stdin, writes one outcome per line on stdout:

  case     {"name", "definition", "input", "script": {idempotency_key: [answer, ...]}}
  answer   {"ok": {...}} | {"error": "Action.Transient"} | {"timeout": true} | {"decided": {...}} | {"undecided": true};
           the last of the list goes for all further attempts
  outcome  {"name", "status", "error"?, "output"?, "calls": {idempotency_key: [payload, ...]}, "waits": [seconds, ...],
            "lengths": [seconds, ...], "moments": [text, ...]}; the lengths are the waits of which no moment is the end

Five things are changed in the interpreter. Expressions are evaluated by jsonata-python, with the variables bound as values: as
it stands it has no JSONata at all, and writes texts into expressions without escaping them. Tasks are answered from the script.
Waits and retries take no time; how long they would have been is told. A branch may fail with an error of Step Functions itself,
which it calls by a name of its own then, and refuses. A branch that is given up makes no call any more.
"""

import datetime
import itertools
import json
import logging
import sys
import threading
import zoneinfo

import jsonata as jsonata_python
from jsonata import utils as jsonata_utils
from moto.stepfunctions.parser.api import StateMachineType
from moto.stepfunctions.parser.asl.component.common.error_name import custom_error_name
from moto.stepfunctions.parser.asl.component.common.error_name import error_name as error_name_module
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import EvalTimeoutError
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_lambda
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import wait_function
from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackOutcomeSuccess
from moto.stepfunctions.parser.asl.eval.evaluation_details import (
    AWSExecutionDetails,
    EvaluationDetails,
    ExecutionDetails,
    StateMachineDetails,
)
from moto.stepfunctions.parser.asl.eval.program_state import ProgramEnded, ProgramError, ProgramTimedOut
from moto.stepfunctions.parser.backend.execution_worker import SyncExecutionWorker

logging.disable(logging.CRITICAL)
sys.setrecursionlimit(20_000)

Jsonata = jsonata_python.Jsonata
Utils = jsonata_utils.Utils
_parsed = {}
_lock = threading.RLock()


class Undefined(Exception):
    """The expression has no value, or one that isn't JSON."""


def evaluate(expression, bindings):
    """The value of the expression. Undefined is an error, as in Step Functions."""
    with _lock:
        parsed = _parsed.get(expression)
        if parsed is None:
            parsed = _parsed[expression] = Jsonata(expression)
            parsed.set_output_convert_nulls(False)
        frame = parsed.create_frame()
        for name, value in bindings.items():
            frame.bind(name, _with_null(value))
        return _as_json(parsed.evaluate(None, frame), expression)


def _with_null(value):
    """The library tells null from undefined by a value of its own."""
    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict):
        return {name: _with_null(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_null(item) for item in value]
    return value


def _as_json(value, expression):
    if value is Utils.NULL_VALUE:
        return None
    if isinstance(value, dict):
        return {name: _as_json(item, expression) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item, expression) for item in value]
    if isinstance(value, (str, bool, int, float)):
        return value
    raise Undefined(f"`{expression}` gives {value!r}")


def _eval_jsonata(self, env):
    store = env.variable_store
    bindings = {**store._outer_scope, **store._inner_scope, "states": env.states._states_data}
    env.stack.append(evaluate(self.expression, bindings))


string_expression.StringJSONata._eval_body = _eval_jsonata


class Case:
    """One run: its script, and what it has asked for."""

    def __init__(self, case):
        self.case = case
        self.calls = {}
        self.waits = []
        self.lengths = []
        self.moments = []
        self.lock = threading.Lock()

    def answer(self, payload):
        if payload.get("action") == "moment":
            found = moment(payload)
            with self.lock:
                self.moments.append(found["at"])
            return {"ok": found}
        key = payload["idempotency_key"]
        with self.lock:
            calls = self.calls.setdefault(key, [])
            script = self.case["script"].get(key) or self.case["script"].get("*", [{"ok": {}}])
            answer = script[min(len(calls), len(script) - 1)]
            calls.append({name: value for name, value in payload.items() if name != "token"})
        return answer


def moment(payload):
    """When a time of the day in a time zone is, by Python's own rules: of a time that comes twice the first."""
    if payload["date"] is None:
        return {"at": "1970-01-01T00:00:00.000Z"}
    day = datetime.date.fromisoformat(payload["date"])
    at = datetime.time(payload["minute"] // 60, payload["minute"] % 60)
    local = datetime.datetime.combine(day, at, zoneinfo.ZoneInfo(payload["zone"]))
    return {"at": local.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")}


# By the ARN of their executions, which no two have in common: what was given up in one goes on for a while.
_cases = {}
_count = itertools.count()


def _case(env):
    return _cases[env.states.context_object.context_object_data["Execution"]["Id"]]


def _eval_service_task(self, env, resource_runtime_part, normalised_parameters, state_credentials):
    if not env.is_running():
        # Its branch was given up while the call was put together: what there is of it is by chance, and nobody would make it.
        return
    case = _case(env)
    payload = json.loads(normalised_parameters["Payload"])
    answer = case.answer(payload)
    if "error" in answer:
        told = {"errorType": answer["error"], "errorMessage": answer.get("message", "")}
        raise lambda_eval_utils.LambdaFunctionErrorException("Unhandled", json.dumps(told))
    if "timeout" in answer or "undecided" in answer:
        raise EvalTimeoutError()
    if "decided" in answer:
        token = env.states.context_object.context_object_data["Task"]["Token"]
        outcome = CallbackOutcomeSuccess(callback_id=token, output=json.dumps(answer["decided"]))
        env.callback_pool_manager.notify(callback_id=token, outcome=outcome)
        env.stack.append({"StatusCode": 200, "Payload": None})
        return
    env.stack.append({"StatusCode": 200, "ExecutedVersion": "1", "Payload": answer["ok"]})


state_task_service_lambda.StateTaskServiceLambda._eval_service_task = _eval_service_task


class _NoSleep:
    """Retries take no time."""

    @staticmethod
    def sleep(_seconds):
        return None


retrier_decl.time = _NoSleep


def _wait_interval(self, env, wait_seconds):
    case = _case(env)
    with case.lock:
        case.waits.append(wait_seconds)
        if type(self).__name__.startswith("Seconds"):
            case.lengths.append(wait_seconds)


wait_function.WaitFunction._wait_interval = _wait_interval


def _any_name(self, error_name):
    error_name_module.ErrorName.__init__(self, error_name=error_name)


custom_error_name.CustomErrorName.__init__ = _any_name
# A branch that is given up while it begins ends with an exception in its thread.
threading.excepthook = lambda _: None


class _NoReport:
    """Nobody keeps the execution: its state is read from the worker."""

    def terminated(self):
        return None


def run(case):
    name = case["name"]
    arn = f"arn:aws:states:us-east-1:000000000000:execution:w:{name}-{next(_count)}"
    state = _cases[arn] = Case(case)
    details = EvaluationDetails(
        AWSExecutionDetails(account="000000000000", region="us-east-1", role_arn="arn:aws:iam::000000000000:role/r"),
        ExecutionDetails(arn, name, "arn:aws:iam::000000000000:role/r", case["input"], "2026-01-05T08:00:00.000Z"),
        StateMachineDetails(
            "arn:aws:states:us-east-1:000000000000:stateMachine:w",
            "w",
            StateMachineType.STANDARD,
            # Its parser reads a character that takes two escapes as two characters.
            json.dumps(case["definition"], ensure_ascii=False),
        ),
    )
    worker = SyncExecutionWorker(details, _NoReport(), None, {})
    worker.start()
    ended = worker.env.program_state()
    outcome = {"name": name, "calls": state.calls, "waits": state.waits, "lengths": state.lengths, "moments": state.moments}
    if isinstance(ended, ProgramEnded):
        outcome |= {"status": "succeeded", "output": worker.env.states.get_input()}
    elif isinstance(ended, ProgramError):
        outcome |= {"status": "failed", "error": ended.error.get("error"), "cause": ended.error.get("cause")}
    elif isinstance(ended, ProgramTimedOut):
        outcome |= {"status": "failed", "error": "States.Timeout"}
    else:
        outcome |= {"status": type(ended).__name__}
    with state.lock:
        return json.loads(json.dumps(outcome))


def main():
    for line in sys.stdin:
        case = json.loads(line)
        if "expression" in case:
            try:
                outcome = {"value": evaluate(case["expression"], case["bindings"])}
            except Exception as error:  # noqa: BLE001 (whatever it is, the case tells of it)
                outcome = {"error": repr(error)}
        else:
            outcome = run(case)
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
