"""What starts the nights is what its tools accept, and says what this project's code says: no cluster is needed.

`make infra-check` runs these with the tools of the extra `infra`; a test whose tool is missing is skipped, and says so.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from featurize import config
from featurize.intake import whose
from jobs import cli

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
KUBERNETES = INFRA / "kubernetes"
CRD = ROOT.parent / "shared" / "crd" / "ray.io_rayjobs.yaml"
CORE = ("namespace.yaml", "account.yaml", "networkpolicy.yaml", "cronjob.yaml")


def documents(name):
    return list(yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8")))


def rayjob():
    return yaml.safe_load((KUBERNETES / "rayjob.yaml").read_text(encoding="utf-8").replace("DATE", "2026-11-28"))


@pytest.mark.parametrize("name", CORE)
def test_core_kinds_are_valid(name):
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="`make infra-check` installs it")
    for document in documents(name):
        kubernetes_validate.validate(document, "1.37", strict=True)
        wrong = {**document, "spec": {"no_such_field": 1}} if "spec" in document else {**document, "no_such_field": 1}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, "1.37", strict=True)


def pod_specs():
    """Every pod that there is, by what makes it."""
    job, cluster = rayjob()["spec"], rayjob()["spec"]["rayClusterSpec"]
    yield "starter", documents("cronjob.yaml")[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    yield "submitter", job["submitterPodTemplate"]["spec"]
    yield "head", cluster["headGroupSpec"]["template"]["spec"]
    yield from ((group["groupName"], group["template"]["spec"]) for group in cluster["workerGroupSpecs"])


def test_pods_are_valid_where_only_a_custom_kind_holds_them():
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="`make infra-check` installs it")
    for name, spec in pod_specs():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        kubernetes_validate.validate(pod, "1.37", strict=True)


@pytest.mark.slow
def test_the_rayjob_is_valid_by_its_crd():
    if not CRD.exists():
        pytest.skip("the schema of RayJob is not at hand")
    jsonschema = pytest.importorskip("jsonschema")
    versions = yaml.load(CRD.read_text(encoding="utf-8"), yaml.CSafeLoader)["spec"]["versions"]
    (schema,) = [each["schema"]["openAPIV3Schema"] for each in versions if each["name"] == "v1"]
    closed(schema)
    jsonschema.Draft202012Validator(schema).validate(rayjob())
    wrong = rayjob()
    wrong["spec"]["ttlSecondsAfterFinish"] = 1
    with pytest.raises(jsonschema.ValidationError, match="ttlSecondsAfterFinish"):
        jsonschema.Draft202012Validator(schema).validate(wrong)


def closed(schema):
    """Kubernetes drops fields that a schema does not have, so a misspelt one would do nothing: here they are errors."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
        if schema.pop("x-kubernetes-int-or-string", False):
            schema.pop("anyOf", None)
            schema["type"] = ["integer", "string"]
        for value in schema.values():
            closed(value)
    elif isinstance(schema, list):
        for value in schema:
            closed(value)


def test_every_pod_keeps_the_restricted_standard_and_has_its_secrets_from_the_secret():
    for name, spec in pod_specs():
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        assert {kind for volume in spec["volumes"] for kind in volume} <= {"name", "emptyDir", "configMap"}, name
        for container in spec["containers"]:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["readOnlyRootFilesystem"] is True, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert "limits" in container["resources"], name
            named = {each["name"] for each in container.get("env", ())}
            assert not [each for each in named if re.search("KEY|TOKEN|SECRET|PASSWORD", each)], name
    assert documents("namespace.yaml")[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    head = rayjob()["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert head["envFrom"] == [{"secretRef": {"name": "artwork-secrets"}}]
    assert rayjob()["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    assert "runtimeEnvYAML" not in rayjob()["spec"]  # its variables show in the dashboard


def test_a_night_is_one_rayjob_of_its_date_and_two_do_not_meet():
    cron = documents("cronjob.yaml")[0]["spec"]
    assert (cron["concurrencyPolicy"], cron["timeZone"]) == ("Forbid", "Etc/UTC")
    assert cron["startingDeadlineSeconds"] < 86_400
    job = rayjob()
    assert job["metadata"]["name"] == "artwork-nightly-2026-11-28"
    spec = job["spec"]
    assert spec["shutdownAfterJobFinishes"]
    assert spec["ttlSecondsAfterFinished"] > 0
    assert spec["activeDeadlineSeconds"] < cron["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 86_400
    versions = re.findall(r"^ray==(.*)$", (INFRA / "constraints.txt").read_text(encoding="utf-8"), re.M)
    assert [spec["rayClusterSpec"]["rayVersion"]] == versions


def started(words, where):
    """The settings of the command line that a scheduler starts, with the profile that lies in the folder `where`."""
    assert words[words.index("-m") + 1] == "jobs.nightly"
    arguments = cli.parser("nightly", "doc").parse_args(words[words.index("-m") + 2 :])
    assert Path(arguments.profile).name == "night.toml"
    return config.load(str(where / "night.toml"), arguments.set)


def unit():
    return (INFRA / "systemd" / "artwork-nightly.service").read_text(encoding="utf-8")


def dag():
    return (INFRA / "airflow" / "artwork_nightly.py").read_text(encoding="utf-8")


def nights():
    """The settings of the night by the scheduler that starts it, word for word with its own command line."""
    command = "".join(re.search(r"bash_command=\(\s*(.*?)\s*\),\n", dag(), re.S)[1].split('"')[1::2])
    cluster = re.sub(r"\\\n#\s+", "", (INFRA / "ray" / "cluster.yaml").read_text(encoding="utf-8"))
    return {
        "kubernetes": started(rayjob()["spec"]["entrypoint"].split(), KUBERNETES),
        "systemd": started(re.search(r"^ExecStart=(.*)$", unit(), re.M)[1].split(), INFRA / "systemd"),
        "airflow": started(command.replace("{{ data_interval_end | ds }}", "2026-11-28").split(), INFRA / "systemd"),
        "ray": started(re.search(r"# +ray job submit .* -- (.*)$", cluster, re.M)[1].split(), KUBERNETES),
    }


def test_every_scheduler_starts_the_night_with_settings_that_there_are():
    of = nights()
    assert {str(of[name].nightly.date) for name in ("kubernetes", "airflow")} == {"2026-11-28"}
    for name in ("kubernetes", "ray"):
        assert of[name].run.when_held == "skip"  # Ray makes a failure of code 3, and a retry of that buys a cluster
        assert of[name].run.wait_for_nodes > 0


def test_every_night_reads_files_that_its_profile_names():
    """So one that is started again by hand with that profile is of the same data, and never of the demo world."""
    for name, night in nights().items():
        assert all(getattr(night.input, each) for each in whose.FILES), name
        assert whose.of_input("nightly", night.input) == {whose.OWN}, name
        assert Path(night.store).is_absolute() or night.store.startswith("s3://"), name
    for page in ("runbook.md", "nightly.md"):
        commands = re.findall(r"^    (make nightly .*(?:\\\n.*)?)", (ROOT / "docs" / page).read_text(), re.M)
        assert commands
        for command in commands:
            assert "PROFILE=night.toml" in command or re.search("ARTWORK=.* HISTORY=", command), command


def test_nights_write_only_where_they_may():
    """What settings name without a folder goes to the working folder, and neither may lie in a read-only checkout."""
    of = nights()
    folders = {
        "systemd": re.search(r"^WorkingDirectory=(.*)$", unit(), re.M)[1],
        "airflow": re.search(r'cwd="(.*?)"', dag())[1],
    }
    states = [f"/var/lib/{each}" for each in re.search(r"^StateDirectory=(.*)$", unit(), re.M)[1].split()]
    home = re.search(r"^Environment=HOME=(.*)$", unit(), re.M)[1]
    assert home in states
    assert str(Path(of["systemd"].run.metrics_file).parent) in states
    for name, folder in folders.items():
        written = [of[name].store, of[name].evaluate.plot, of[name].run.metrics_file, "logs"]
        assert {Path(folder, each).parts[:4] for each in written} == {("/", "var", "lib", "artwork")}, name
    head, worker = (spec["containers"][0] for name, spec in pod_specs() if name in ("head", "gpu"))
    mounted = {mount["mountPath"] for mount in head["volumeMounts"] if not mount.get("readOnly")}
    assert head["volumeMounts"] == worker["volumeMounts"]
    homes = [each["value"] for each in head["env"]]
    for path in (of["kubernetes"].evaluate.plot, of["kubernetes"].describe.log_dir, *homes):
        assert {f"/{Path(path).parts[1]}"} <= mounted, path


def test_what_reads_the_metrics_of_a_machine_is_told_where_they_are():
    folder = Path(nights()["systemd"].run.metrics_file).parent
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    for told in (unit(), runbook, (INFRA / "systemd" / "alerts.yaml").read_text(encoding="utf-8")):
        assert re.findall(r"--collector\.textfile\.directory=([\w/]+)", told) == [str(folder)]


def test_gpu_workers_fit_the_nodes_they_ask_for():
    night = config.load(str(KUBERNETES / "night.toml"))
    (group,) = rayjob()["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    for model in (night.embed, night.describe, night.rank.llm):
        assert model.gpus == int(limits["nvidia.com/gpu"])
        assert model.cpus <= int(limits["cpu"])
        assert model.workers <= group["maxReplicas"]


def test_the_configuration_of_the_ray_cluster_is_valid():
    """By the schema that Ray ships; fields it does not know are refused."""
    ray = pytest.importorskip("ray")
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(Path(ray.__file__).with_name("autoscaler").joinpath("ray-schema.json").read_text())
    found = yaml.safe_load((INFRA / "ray" / "cluster.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(found, schema)
    with pytest.raises(jsonschema.ValidationError, match="no_such"):
        jsonschema.validate({**found, "no_such": 1}, schema)
    gpu = found["available_node_types"]["gpu"]
    assert (gpu["min_workers"], gpu["max_workers"]) == (0, found["max_workers"])
    assert gpu["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "--env RAY_AUTH_MODE=token" in found["docker"]["run_options"]
    assert ray.__version__ in (INFRA / "constraints.txt").read_text(encoding="utf-8")


def test_units_of_systemd_are_valid(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not at hand")
    for file in (INFRA / "systemd").glob("artwork-*"):
        text = file.read_text(encoding="utf-8").replace("/opt/artwork/.venv/bin/python", sys.executable)
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    units = [str(tmp_path / name) for name in ("artwork-nightly.service", "artwork-nightly.timer")]

    def said():
        done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
        return [line for line in (done.stdout + done.stderr).splitlines() if str(tmp_path) in line or "artwork" in line]

    assert said() == []
    with (tmp_path / "artwork-nightly.service").open("a", encoding="utf-8") as file:
        file.write("\nNoSuchThing=1\n")
    assert said()


def test_the_dag_is_read_by_airflow():
    pytest.importorskip("airflow", reason="Airflow is not at hand")
    done = subprocess.run(
        [sys.executable, str(INFRA / "airflow" / "artwork_nightly.py")], check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def test_the_dockerfile_is_linted_and_not_of_root():
    text = (INFRA / "Dockerfile").read_text(encoding="utf-8")
    users = re.findall(r"^USER (.*)$", text, re.M)
    assert users == ["10001:10001"]
    assert re.search(r"^ARG CUDA=\S+@sha256:[0-9a-f]{64}$", text, re.M)
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("`make infra-check` installs hadolint")
    done = subprocess.run([hadolint, INFRA / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_the_image_copies_is_there_and_no_more():
    left_out = (INFRA / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in left_out
    for line in left_out:
        if line.startswith("!"):
            assert (ROOT / line[1:]).exists(), line
