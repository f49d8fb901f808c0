"""The Python client of Kubernetes, once through everything it can do: client.py NAMESPACE POD, with KUBECONFIG."""

import sys
import threading

from kubernetes import client, config, watch
from kubernetes.stream import portforward, stream

NAMESPACE, POD = sys.argv[1:]
config.load_kube_config()
core = client.CoreV1Api()


def equal(got, wanted):
    assert got == wanted, f"{got!r} is not {wanted!r}"


def configmap(data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "python"}, "data": data}


def objects():
    version = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    seen = []

    def follow():
        events = watch.Watch().stream(
            core.list_namespaced_config_map, NAMESPACE, resource_version=version, timeout_seconds=30,
            field_selector="metadata.name=python")
        for event in events:
            seen.append(event["type"])
            if event["type"] == "DELETED":
                return

    follower = threading.Thread(target=follow)
    follower.start()
    core.create_namespaced_config_map(NAMESPACE, configmap({"a": "1"}))
    names = [item.metadata.name for item in core.list_namespaced_config_map(NAMESPACE, limit=1).items]
    equal(len(names), 1)
    core.patch_namespaced_config_map("python", NAMESPACE, {"data": {"a": "2"}})
    core.patch_namespaced_config_map(
        "python", NAMESPACE, configmap({"b": "3"}), field_manager="python",
        _content_type="application/apply-patch+yaml")
    made = core.read_namespaced_config_map("python", NAMESPACE)
    equal(made.data, {"a": "2", "b": "3"})
    made.data["c"] = "4"
    core.replace_namespaced_config_map("python", NAMESPACE, made)
    core.delete_namespaced_config_map("python", NAMESPACE)
    follower.join()
    equal(seen, ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"])
    try:
        core.read_namespaced_config_map("python", NAMESPACE)
        raise AssertionError("it was deleted")
    except client.ApiException as error:
        equal((error.status, error.reason), (404, "Not Found"))


def streams():
    # As bytes: this client makes text of them by their representation.
    equal(core.read_namespaced_pod_log(POD, NAMESPACE, _preload_content=False).data, b"serving\n")
    command = ["sh", "-c", "read word; echo got $word; echo bad >&2; exit 7"]
    ran = stream(core.connect_get_namespaced_pod_exec, POD, NAMESPACE, command=command,
                 stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False)
    ran.write_stdin("bond\n")
    ran.run_forever(timeout=30)
    equal((ran.read_stdout(), ran.read_stderr(), ran.returncode), ("got bond\n", "bad\n", 7))
    tunnel = portforward(core.connect_get_namespaced_pod_portforward, POD, NAMESPACE, ports="8080")
    socket = tunnel.socket(8080)
    socket.settimeout(30)
    socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b""
    while part := socket.recv(4096):
        answer += part
    equal(answer.split(b"\r\n\r\n")[1], f"{POD}\n".encode())
    equal(tunnel.error(8080), None)


def others():
    equal(client.VersionApi().get_code().major, "1")
    groups = [group.name for group in client.ApisApi().get_api_versions().groups]
    assert "apps" in groups, groups
    review = client.AuthenticationV1Api().create_self_subject_review({})
    assert review.status.user_info.username.startswith("0x"), review
    allowed = client.AuthorizationV1Api().create_self_subject_access_review(
        {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": NAMESPACE}}})
    equal(allowed.status.allowed, True)
    for page in (client.AppsV1Api().list_deployment_for_all_namespaces(), core.list_node(), core.list_namespace(limit=2)):
        assert page.metadata.resource_version, page


objects()
streams()
others()
