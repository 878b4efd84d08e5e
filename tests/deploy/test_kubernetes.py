"""deploy/kubernetes: Kubernetes takes it, what it names is there, and no secret is in it."""

import re
from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.conftest import REPO
from tests.deploy.commands import DEPLOY, PROGRAMS, refusal

FOLDER = DEPLOY / "kubernetes"
PAGE = (REPO / "docs" / "workers.md").read_text(encoding="utf-8")
VERSIONS = "1.32", "1.37"
OBJECTS: dict[str, dict[str, Any]] = {
    f"{found['kind']} {found['metadata']['name']}": found
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.name != "workspace.yaml"
    for found in yaml.safe_load_all(path.read_text(encoding="utf-8"))
}
PODS: dict[str, dict[str, Any]] = {
    name.removeprefix("Deployment tidemark-"): found["spec"]["template"]
    for name, found in OBJECTS.items()
    if found["kind"] == "Deployment"
}
OURS = {name: pod for name, pod in PODS.items() if name != "redis"}


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def validate(found: dict[str, Any]) -> None:
    """Check an object by Kubernetes' own schema, in which unknown fields are mistakes."""
    import kubernetes_validate  # only there for make test-engines

    for version in VERSIONS:
        kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.engines
@pytest.mark.parametrize("name", OBJECTS)
def test_it_follows_the_schema(name: str) -> None:
    validate(OBJECTS[name])


@pytest.mark.engines
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.template.spec.container", []),
        ("spec.template.spec.containers.0.readinessProbe.exec.comand", ["x"]),
        ("spec.template.spec.terminationGracePeriodSeconds", "90"),
        ("spec.replica", 1),
        ("apiVersion", "apps/v1beta1"),
    ],
)
def test_the_schema_refuses_mistakes(path: str, value: object) -> None:
    import kubernetes_validate

    wrong: Any = deepcopy(OBJECTS["Deployment tidemark-code"])
    *parents, last = path.split(".")
    place = wrong
    for part in parents:
        place = place[int(part)] if part.isdecimal() else place[part]
    place[last] = value
    refusals = kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError
    with pytest.raises(refusals):
        validate(wrong)


@pytest.mark.parametrize("name", PODS)
def test_a_pod(name: str) -> None:
    pod, deployment = PODS[name], OBJECTS[f"Deployment tidemark-{name}"]
    assert pod["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"]
    spec, found = pod["spec"], container(pod)
    assert spec["securityContext"]["runAsNonRoot"] and not spec["automountServiceAccountToken"]
    assert found["securityContext"]["readOnlyRootFilesystem"]
    assert found["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {"requests", "limits"} == found["resources"].keys()
    mounted = {mount["name"] for mount in found.get("volumeMounts", [])}
    assert mounted == {volume["name"] for volume in spec.get("volumes", [])}
    for volume in spec.get("volumes", []):
        if claim := volume.get("persistentVolumeClaim"):
            assert f"PersistentVolumeClaim {claim['claimName']}" in OBJECTS


@pytest.mark.parametrize("name", OURS)
def test_a_command_of_ours(name: str) -> None:
    pod = OURS[name]
    found = container(pod)
    program, *arguments = found["command"]
    assert found["image"] == "tidemark" and pod["spec"]["securityContext"]["runAsUser"] == 10001
    assert program in (*PROGRAMS, "celery")
    assert program == "celery" or refusal(program, arguments) is None
    assert pod["spec"]["terminationGracePeriodSeconds"] >= 90, "a pull ends cleanly"


def test_only_who_pulls_sees_keys_and_data() -> None:
    def sees(pod: dict[str, Any], name: str) -> bool:
        return f"'{name}'" in repr(pod["spec"])

    assert {n for n, pod in PODS.items() if sees(pod, "tidemark-keys")} == {"code", "worker"}
    assert {n for n, pod in PODS.items() if sees(pod, "tidemark-home")} == {"code", "worker"}
    assert {n for n, pod in PODS.items() if sees(pod, "tidemark-celery")} == {"code", "worker"}


def test_workers_are_where_the_home_is() -> None:
    """File locks and the pace of calls are shared by the processes of one machine."""
    (term,) = PODS["worker"]["spec"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["labelSelector"]["matchLabels"] == PODS["code"]["metadata"]["labels"]
    claim = OBJECTS["PersistentVolumeClaim tidemark-home"]["spec"]
    assert claim["accessModes"] == ["ReadWriteOnce"]
    assert PODS["worker"]["spec"]["terminationGracePeriodSeconds"] > 600, "of a back-fill's piece"


def test_services_lead_to_pods_and_stay_inside() -> None:
    services = {n: o["spec"] for n, o in OBJECTS.items() if o["kind"] == "Service"}
    for spec in services.values():
        assert spec["type"] == "ClusterIP"
        (pod,) = (p for p in PODS.values() if p["metadata"]["labels"] == spec["selector"])
        ports = {each["containerPort"] for each in container(pod)["ports"]}
        assert {each["targetPort"] for each in spec["ports"]} <= ports
    (server,) = yaml.safe_load((FOLDER / "workspace.yaml").read_text())["load_from"]
    assert f"Service {server['grpc_server']['host']}" in services


def test_the_page_makes_what_it_names() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml"))
    named = {
        "secret generic": re.findall(r"secret(?:Key)?Ref: {name: ([\w-]+)", text),
        "configmap": re.findall(r"configMap(?:Ref)?: {name: ([\w-]+)", text),
    }
    for kind, names in named.items():
        assert names and all(f"kubectl create {kind} {name} " in PAGE for name in names)
    for path in re.findall(r"--from-file=(?:[\w.]+=)?(deploy/\S+)", PAGE):
        assert (REPO / path).is_file(), path
    assert not re.search(r"(?i)password: *[\w\"']", text)
