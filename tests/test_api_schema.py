"""The description of the API is true: the routes, their answers and their guide say the same, whatever is asked."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from commandline import ok
from pydantic import AliasChoices
from serving import SOLO, in_a_process, make_root

from mas.api import answered, asked, examples
from mas.api.application import bare
from mas.api.description import methods_of
from mas.paths import Root

GUIDE = Path(__file__).parents[1] / "docs" / "api.md"
ROW = re.compile(r"^\| `([A-Z]+) ([^`]+)` \|", re.MULTILINE)

DESCRIBED: dict[str, Any] = bare().openapi()
OPERATIONS = [
    pytest.param(path, method, found, id=f"{method.upper()} {path}")
    for path, methods in DESCRIBED["paths"].items()
    for method, found in methods.items()
]
each_operation = pytest.mark.parametrize(("path", "method", "found"), OPERATIONS)


def validate(value: object, schema: dict[str, Any]) -> None:
    """Raise unless the value is what the schema, a part of the description, says."""
    jsonschema.validate(value, {**schema, "components": DESCRIBED["components"]})


@each_operation
def test_an_operation_is_described_in_full(path: str, method: str, found: dict[str, Any]) -> None:
    assert found["summary"]
    assert found["description"]
    responses = found["responses"]
    assert {"400", "403", "503"} <= responses.keys()
    assert ("401" in responses) == (path != "/health") == ("security" in found)
    assert ("404" in responses) == ("{session}" in path) or path in ("/message", "/messages", "/status")
    assert {"408", "413", "415"} <= responses.keys() or "requestBody" not in found
    assert "422" not in responses
    assert method in ("get", "post", "patch", "delete")


@each_operation
def test_every_answer_has_an_example_that_is_one(path: str, method: str, found: dict[str, Any]) -> None:
    del path, method
    for status, response in found["responses"].items():
        for described in response["content"].values():
            validate(described["example"], described["schema"])
        if status >= "400":
            assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert response["description"]


@each_operation
def test_what_may_be_asked_has_an_example_that_may(path: str, method: str, found: dict[str, Any]) -> None:
    del path, method
    for name in re.findall(r"schemas/(\w+)", json.dumps(found.get("requestBody", {}))):
        example = DESCRIBED["components"]["schemas"][name]["example"]
        validate(example, {"$ref": f"#/components/schemas/{name}"})
        getattr(asked, name).model_validate(example)


def test_every_name_by_which_a_field_is_understood_is_described() -> None:
    for name, schema in DESCRIBED["components"]["schemas"].items():
        fields = getattr(getattr(asked, name, None), "model_fields", {})
        for field in fields.values():
            if isinstance(field.validation_alias, AliasChoices):
                first, *others = field.validation_alias.choices
                assert all(f"`{other}`" in schema["properties"][first]["description"] for other in others)


def test_every_example_is_of_a_model_and_used() -> None:
    used = set(re.findall(r"schemas/(\w+)", json.dumps(DESCRIBED["paths"])))
    assert examples.ANSWERS.keys() <= used
    for name, example in examples.ANSWERS.items():
        getattr(answered, name).model_validate(example)


def test_the_description_is_one_that_programs_can_read(tmp_path: Path) -> None:
    printed = ok("serve", "--print-openapi", root=tmp_path).json
    assert printed == DESCRIBED
    assert printed["openapi"].startswith("3.1")
    assert not {"HTTPValidationError", "ValidationError"} & printed["components"]["schemas"].keys()


def test_the_guide_names_every_operation_and_no_other() -> None:
    named = {*ROW.findall(GUIDE.read_text("utf-8"))}
    assert named == {(param.values[1].upper(), param.values[0]) for param in OPERATIONS}  # type: ignore[union-attr]


def test_a_path_is_said_to_have_all_its_methods() -> None:
    assert methods_of(DESCRIBED, "/sessions/x") == "DELETE, GET, PATCH"
    assert methods_of(DESCRIBED, "/sessions/x/events") == "GET, POST"


# --- whatever is asked ---

FEW_STARTS = """
[[operations]]
include-name = "POST /runs"
generation.max-examples = 3
phases.coverage.enabled = false
"""
MOST_STARTS = 24
"""So many teams may be started by all of it; each is an agent that runs until the end."""

CHECKS = (
    "status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,"
    "negative_data_rejection,missing_required_header,unsupported_method,allow_header_conformance,ignored_auth,"
    "use_after_free,ensure_resource_availability"
)


@pytest.mark.parametrize(
    "options",
    [
        ("--phases", "examples,fuzzing", "--max-examples", "3"),
        pytest.param(
            ("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "40"), marks=pytest.mark.slow
        ),
    ],
    ids=["few", "many"],
)
def test_no_answer_is_other_than_described(root: Root, tmux_socket: Path, options: tuple[str, ...]) -> None:
    """No traceback, no 500: a server error is a documented 503, and every other answer is documented too.

    The team of this root is one agent that waits, so that what is started costs little.
    """
    del tmux_socket
    make_root(root)
    (root.path / ".masrc").write_text("MAS_TEMPLATE=solo\nMAS_AGENT=stub\n")
    (root.path / "schemathesis.toml").write_text(FEW_STARTS)
    with in_a_process(root) as served:
        served.ok("POST", "/runs", json=SOLO | {"sessionId": examples.ID}, status=201)
        header = f"Authorization: {served.client.headers['authorization']}"
        program = Path(sys.executable).with_name("schemathesis")
        words = ["run", f"{served.config.url}/openapi.json", "-H", header, "--checks", CHECKS, "--no-color", *options]
        done = subprocess.run(
            [program, *words, "--continue-on-failure", "--request-timeout", "60", "--seed", "1"],
            cwd=root.path,
            env={**os.environ, "HOME": str(root.path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=540,
        )
        assert done.returncode == 0, done.stdout
        served.ok("GET", "/health")
    log = [json.loads(line) for line in (root.path / ".mas_http" / "access.log").read_text().splitlines()]
    assert not [line for line in log if line["status"] == 500]
    starts = [line for line in log if (line["path"], line["status"]) == ("/runs", 201)]
    assert 0 < len(starts) <= MOST_STARTS
