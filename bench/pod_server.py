"""A process that serves a list of pods as an API server does: pages, gzip. `python -m bench.pod_server COUNT`."""

from __future__ import annotations

import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

FIELDS: dict[str, Any] = {
    f"f:field-{n}": {"f:type": {}, "f:status": {}, "f:reason": {}, "f:lastTransitionTime": {}}
    for n in range(40)
}


def pod(number: int) -> dict[str, Any]:
    """A pod as a Deployment makes it, with the managedFields that a server keeps: about 9 KB."""
    name, node = f"web-{number // 10:05}-{number % 10}", f"node-{number % 100:03}"
    time = "2026-01-02T03:04:05Z"
    conditions = [
        {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": time}
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    container = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"containerPort": 80, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{n}", "value": f"value {n} of {number}"} for n in range(10)],
        "resources": {"requests": {"cpu": "100m"}},
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    running = {
        "name": "web",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "image": "registry.example/web:1",
        "imageID": "registry.example/web@sha256:" + "a" * 64,
        "containerID": "containerd://" + f"{number:064x}",
        "state": {"running": {"startedAt": time}},
        "lastState": {},
    }
    managed = [
        {"manager": who, "operation": "Update", "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1"}
        | {"fieldsV1": {"f:metadata": FIELDS}}
        for who in ("kube-controller-manager", "kubelet")
    ]
    return {
        "metadata": {
            "name": name,
            "generateName": name[:-1],
            "namespace": f"team-{number % 20}",
            "uid": f"00000000-0000-4000-8000-{number:012}",
            "resourceVersion": str(1000 + number),
            "creationTimestamp": time,
            "labels": {"app": "web", "pod-template-hash": name[4:9]},
            "managedFields": managed,
        },
        "spec": {
            "nodeName": node,
            "containers": [container],
            "restartPolicy": "Always",
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
            ],
        },
        "status": {
            "phase": "Running",
            "conditions": conditions,
            "hostIP": f"10.0.0.{number % 250}",
            "podIP": f"10.244.{number % 250}.{number // 250 % 250}",
            "startTime": time,
            "containerStatuses": [running],
            "qosClass": "Burstable",
        },
    }


class Pods:
    """The pods, and every page of them that was asked for, ready to be sent: only the client is measured."""

    def __init__(self, count: int) -> None:
        self._pods = [pod(number) for number in range(count)]
        self._ready: dict[tuple[int, int, bool], bytes] = {}

    def page(self, start: int, limit: int, zipped: bool) -> bytes:
        asked = (start, limit, zipped)
        if asked not in self._ready:
            end = start + limit if limit else len(self._pods)
            meta = {"resourceVersion": "99999"} | ({"continue": str(end)} if end < len(self._pods) else {})
            document = {
                "kind": "PodList",
                "apiVersion": "v1",
                "metadata": meta,
                "items": self._pods[start:end],
            }
            body = json.dumps(document, separators=(",", ":")).encode()
            self._ready[asked] = gzip.compress(body, 1) if zipped else body
        return self._ready[asked]


def serve(count: int) -> None:
    """Print the port, then serve until the process is ended."""
    pods = Pods(count)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Standard error is the benchmark's."""

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            zipped = "gzip" in self.headers.get("Accept-Encoding", "")
            start, limit = (int(query.get(name, ["0"])[0]) for name in ("continue", "limit"))
            body = pods.page(start, limit, zipped)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            if zipped:
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
