"""DaemonSets and Deployments of the scenarios. Their pods are made by the controller model."""

from __future__ import annotations

from typing import Any

from lab.world.scenarios.cluster import config_map, port, service
from lab.world.scenarios.configs import as_json, windows_cni
from lab.world.state import Object, World, new_object

ANYTHING = [{"operator": "Exists"}]
LINUX = {"kubernetes.io/os": "linux"}
WINDOWS = {"kubernetes.io/os": "windows"}
WINDOWS_TOLERATION = [{"key": "os", "operator": "Equal", "value": "windows", "effect": "NoSchedule"}]


def container(name: str, image: str, **rest: Any) -> dict[str, Any]:
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "resources": {}, **rest}


def env(**values: str) -> list[dict[str, Any]]:
    return [{"name": key, "value": value} for key, value in values.items()]


def from_field(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def daemon_set(
    name: str,
    namespace: str,
    labels: dict[str, str],
    selector: dict[str, str],
    containers: list[dict[str, Any]],
    **spec: Any,
) -> Object:
    pod = {
        "nodeSelector": dict(selector),
        "containers": containers,
        "tolerations": ANYTHING,
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        **spec,
    }
    return new_object(
        "apps/v1",
        "DaemonSet",
        name,
        namespace,
        labels=labels,
        spec={
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
            },
            "revisionHistoryLimit": 10,
        },
        status={},
    )


def deployment(
    name: str,
    namespace: str,
    replicas: int,
    selector: dict[str, str],
    containers: list[dict[str, Any]],
    **spec: Any,
) -> Object:
    labels = {"app": name}
    pod = {
        "nodeSelector": dict(selector),
        "containers": containers,
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        **spec,
    }
    return new_object(
        "apps/v1",
        "Deployment",
        name,
        namespace,
        labels=labels,
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "strategy": {"type": "RollingUpdate"},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
        status={},
    )


def linux_daemons(world: World) -> None:
    plan = world.plan
    image = "quay.io/coreos/flannel:v0.12.0-amd64" if plan.classic else "docker.io/flannel/flannel:v0.26.2"
    repository = "k8s.gcr.io" if plan.classic else "registry.k8s.io"
    flannel = container(
        "kube-flannel",
        image,
        command=["/opt/bin/flanneld"],
        args=["--ip-masq", "--kube-subnet-mgr"],
        env=[from_field("POD_NAME", "metadata.name"), from_field("POD_NAMESPACE", "metadata.namespace")],
        securityContext={"privileged": False, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
    )
    name = "kube-flannel-ds-amd64" if plan.classic else "kube-flannel-ds"
    labels = {"app": "flannel", "tier": "node"}
    world.put(daemon_set(name, plan.flannel_namespace, labels, LINUX, [flannel], hostNetwork=True))
    proxy = container(
        "kube-proxy",
        f"{repository}/kube-proxy:{plan.version}",
        command=[
            "/usr/local/bin/kube-proxy",
            "--config=/var/lib/kube-proxy/config.conf",
            "--hostname-override=$(NODE_NAME)",
        ],
        env=[from_field("NODE_NAME", "spec.nodeName")],
        securityContext={"privileged": True},
    )
    world.put(
        daemon_set("kube-proxy", "kube-system", {"k8s-app": "kube-proxy"}, LINUX, [proxy], hostNetwork=True)
    )


def coredns(world: World) -> None:
    image = "k8s.gcr.io/coredns:1.6.7" if world.plan.classic else "registry.k8s.io/coredns/coredns:v1.11.3"
    item = deployment(
        "coredns",
        "kube-system",
        2,
        LINUX,
        [
            container(
                "coredns",
                image,
                args=["-conf", "/etc/coredns/Corefile"],
                ports=[
                    {"containerPort": 53, "name": "dns", "protocol": "UDP"},
                    {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"},
                ],
            )
        ],
        dnsPolicy="Default",
        tolerations=ANYTHING,
    )
    labels = {"k8s-app": "kube-dns"}
    item["metadata"]["labels"] = dict(labels)
    item["spec"]["selector"] = {"matchLabels": labels}
    item["spec"]["template"]["metadata"]["labels"] = dict(labels)
    world.put(item)


def windows_daemons(world: World) -> None:
    """flannel and kube-proxy as HostProcess DaemonSets, after kubernetes-sigs/sig-windows-tools `hostprocess/`."""
    plan = world.plan
    config_map(
        world,
        "kube-flannel",
        "kube-flannel-windows-cfg",
        {"cni-conf-containerd.json": as_json(windows_cni(plan))},
        app="flannel",
        tier="node",
    )
    system = {
        "hostNetwork": True,
        "securityContext": {
            "windowsOptions": {"hostProcess": True, "runAsUserName": "NT AUTHORITY\\SYSTEM"},
        },
    }
    flannel = container(
        "kube-flannel",
        "sigwindowstools/flannel:v0.24.2-hostprocess",
        env=[
            *env(
                CNI_BIN_PATH="C:\\opt\\cni\\bin",
                CNI_CONFIG_PATH="C:\\etc\\cni\\net.d",
                SERVICE_SUBNET=plan.service_cidr,
                KUBERNETES_SERVICE_HOST=plan.api_host,
                KUBERNETES_SERVICE_PORT=str(plan.api_port),
            ),
            from_field("POD_NAME", "metadata.name"),
            from_field("POD_NAMESPACE", "metadata.namespace"),
        ],
        volumeMounts=[
            {"name": "flannel-cfg", "mountPath": "/mounts/kube-flannel/"},
            {"name": "flannel-windows-cfg", "mountPath": "/mounts/kube-flannel-windows/"},
        ],
    )
    volumes = [
        {"name": "flannel-cfg", "configMap": {"name": "kube-flannel-cfg"}},
        {"name": "flannel-windows-cfg", "configMap": {"name": "kube-flannel-windows-cfg"}},
    ]
    world.put(
        daemon_set(
            "kube-flannel-ds-windows-amd64",
            "kube-flannel",
            {"app": "flannel", "tier": "node", "os": "windows"},
            WINDOWS,
            [flannel],
            volumes=volumes,
            **system,
        )
    )
    proxy = container(
        "kube-proxy",
        f"sigwindowstools/kube-proxy:{plan.version}-flannel-hostprocess",
        args=["$env:CONTAINER_SANDBOX_MOUNT_POINT/kube-proxy/start.ps1"],
        env=[
            from_field("NODE_NAME", "spec.nodeName"),
            from_field("POD_IP", "status.podIP"),
            *env(KUBE_NETWORK="flannel.4096", CNI_BIN_PATH="C:\\opt\\cni\\bin"),
        ],
        volumeMounts=[{"name": "kube-proxy", "mountPath": "/mounts/var/lib/kube-proxy"}],
    )
    world.put(
        daemon_set(
            "kube-proxy-windows",
            "kube-system",
            {"k8s-app": "kube-proxy-windows"},
            WINDOWS,
            [proxy],
            volumes=[{"name": "kube-proxy", "configMap": {"name": "kube-proxy"}}],
            **system,
        )
    )


def applications(world: World, windows_image: str, base: str) -> None:
    """A Windows web front (ClusterIP and NodePort) and a Linux service that it calls. `base` begins its ClusterIPs."""
    domain = world.plan.domain
    web = container(
        "web",
        windows_image,
        ports=[{"containerPort": 80, "protocol": "TCP"}],
        env=env(API_URL=f"http://api.shop.svc.{domain}:8080", ASPNETCORE_URLS="http://+:80"),
    )
    item = deployment("win-web", "shop", 2, WINDOWS, [web], tolerations=WINDOWS_TOLERATION)
    if not world.plan.classic:
        item["spec"]["template"]["spec"]["os"] = {"name": "windows"}
    world.put(item)
    api = container("api", "docker.io/library/nginx:1.27", ports=[{"containerPort": 8080, "protocol": "TCP"}])
    world.put(deployment("api", "shop", 2, LINUX, [api], tolerations=ANYTHING))
    world.put(service("win-web", "shop", f"{base}.20", [port(80, 80, "http")], {"app": "win-web"}))
    world.put(
        service(
            "win-web-public",
            "shop",
            f"{base}.21",
            [port(80, 80, "http", node_port=30080)],
            {"app": "win-web"},
            node_port=True,
        )
    )
    world.put(service("api", "shop", f"{base}.22", [port(8080, 8080, "http")], {"app": "api"}))
