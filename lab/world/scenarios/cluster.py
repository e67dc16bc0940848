"""API objects that every scenario has: namespaces, system ConfigMaps, Services, static pods, RBAC of kubeadm."""

from __future__ import annotations

from typing import Any

from lab.world.pki import certificate_request
from lab.world.scenarios import configs
from lab.world.state import Object, World, new_object
from lab.world.text import rfc3339

MONTH = 86_400.0 * 30


def namespaces(world: World, names: tuple[str, ...]) -> None:
    for name in names:
        item = new_object(
            "v1",
            "Namespace",
            name,
            labels={"kubernetes.io/metadata.name": name},
            spec={"finalizers": ["kubernetes"]},
            status={"phase": "Active"},
        )
        if name in ("kube-flannel", "kube-system"):
            item["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "privileged"
        world.put(item)
        if world.plan.minor >= 20:
            ca = new_object("v1", "ConfigMap", "kube-root-ca.crt", name, data={"ca.crt": world.pki.ca})
            world.put(ca)
        world.put(new_object("v1", "ServiceAccount", "default", name))


def config_map(world: World, namespace: str, name: str, data: dict[str, str], **labels: str) -> Object:
    """A ConfigMap, with the managedFields that tell when its data was last written."""
    item = new_object("v1", "ConfigMap", name, namespace, labels=labels or None, data=data)
    return world.put(written(item, world.now - MONTH, "kubectl-client-side-apply"))


def written(item: Object, at: float, manager: str) -> Object:
    """Record that `manager` wrote the object's data at `at`."""
    fields: dict[str, Any] = {"f:data": {".": {}, **{f"f:{key}": {} for key in item.get("data", {})}}}
    item["metadata"]["managedFields"] = [
        {
            "manager": manager,
            "operation": "Update",
            "apiVersion": item["apiVersion"],
            "time": rfc3339(at),
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
    ]
    return item


def system_config_maps(world: World) -> None:
    plan = world.plan
    cluster = (
        f"apiServer:\n  timeoutForControlPlane: 4m0s\napiVersion: kubeadm.k8s.io/v1beta{2 if plan.classic else 4}\n"
        "certificatesDir: /etc/kubernetes/pki\nclusterName: kubernetes\n"
        f"controlPlaneEndpoint: {plan.api_host}:{plan.api_port}\n"
        "controllerManager: {}\n"
        "dns: {}\netcd:\n  local:\n    dataDir: /var/lib/etcd\n"
        f"imageRepository: {'k8s.gcr.io' if plan.classic else 'registry.k8s.io'}\nkind: ClusterConfiguration\n"
        f"kubernetesVersion: {plan.version}\nnetworking:\n  dnsDomain: {plan.domain}\n"
        f"  podSubnet: {plan.pod_cidr}\n  serviceSubnet: {plan.service_cidr}\nscheduler: {{}}\n"
    )
    config_map(world, "kube-system", "kubeadm-config", {"ClusterConfiguration": cluster})
    kubelet = f"kubelet-config-1.{plan.minor}" if plan.minor <= 23 else "kubelet-config"
    config_map(world, "kube-system", kubelet, {"kubelet": configs.kubelet_config(plan, windows=False)})
    token = "/var/run/secrets/kubernetes.io/serviceaccount"
    proxy_kubeconfig = (
        "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n"
        f"    certificate-authority: {token}/ca.crt\n    server: {plan.api_url}\n  name: default\n"
        "contexts:\n- context:\n    cluster: default\n    namespace: default\n    user: default\n  name: default\n"
        f"current-context: default\nusers:\n- name: default\n  user:\n    tokenFile: {token}/token\n"
    )
    proxy = (
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nbindAddress: 0.0.0.0\n"
        "clientConnection:\n  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf\n"
        f'clusterCIDR: {plan.pod_cidr}\nkind: KubeProxyConfiguration\nmode: ""\n'
        'winkernel:\n  enableDSR: false\n  networkName: ""\n  sourceVip: ""\n'
    )
    config_map(
        world,
        "kube-system",
        "kube-proxy",
        {"config.conf": proxy, "kubeconfig.conf": proxy_kubeconfig},
        app="kube-proxy",
    )
    config_map(world, "kube-system", "coredns", {"Corefile": configs.corefile(plan)})
    info = configs.kubeconfig(plan, world.pki.ca, "").replace(
        "current-context: @kubernetes", 'current-context: ""'
    )
    info = (
        "apiVersion: v1\nclusters:\n- cluster:\n"
        f"    certificate-authority-data: {configs.base64_text(world.pki.ca)}\n    server: {plan.api_url}\n"
        '  name: ""\ncontexts: null\ncurrent-context: ""\nkind: Config\npreferences: {}\nusers: null\n'
    )
    config_map(world, "kube-public", "cluster-info", {"kubeconfig": info})
    for kind, name in (
        ("ClusterRoleBinding", "kubeadm:node-autoapprove-bootstrap"),
        ("ClusterRoleBinding", "kubeadm:node-autoapprove-certificate-rotation"),
    ):
        role = "system:certificates.k8s.io:certificatesigningrequests:"
        role += "nodeclient" if name.endswith("bootstrap") else "selfnodeclient"
        group = (
            "system:bootstrappers:kubeadm:default-node-token"
            if name.endswith("bootstrap")
            else "system:nodes"
        )
        world.put(
            new_object(
                "rbac.authorization.k8s.io/v1",
                kind,
                name,
                roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                subjects=[{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
            )
        )


def flannel_config_map(world: World) -> None:
    """Linux flannel's ConfigMap, made ready for Windows: VNI 4096 and port 4789."""
    linux_cni = {
        "name": "vxlan0" if world.plan.classic else "cbr0",
        "cniVersion": "0.3.1",
        "plugins": [
            {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    data = {
        "cni-conf.json": configs.as_json(linux_cni),
        "net-conf.json": configs.as_json(configs.net_conf(world.plan)),
    }
    config_map(world, world.plan.flannel_namespace, "kube-flannel-cfg", data, app="flannel", tier="node")


def service(
    name: str,
    namespace: str,
    ip: str,
    ports: list[dict[str, Any]],
    selector: dict[str, str] | None,
    *,
    node_port: bool = False,
    labels: dict[str, str] | None = None,
) -> Object:
    spec: dict[str, Any] = {
        "clusterIP": ip,
        "clusterIPs": [ip],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": ports,
        "sessionAffinity": "None",
        "type": "NodePort" if node_port else "ClusterIP",
    }
    if selector:
        spec["selector"] = selector
    if node_port:
        spec["externalTrafficPolicy"] = "Cluster"
    return new_object("v1", "Service", name, namespace, labels=labels, spec=spec, status={"loadBalancer": {}})


def port(
    number: int, target: int, name: str = "", protocol: str = "TCP", node_port: int = 0
) -> dict[str, Any]:
    item: dict[str, Any] = {"port": number, "protocol": protocol, "targetPort": target}
    if name:
        item["name"] = name
    if node_port:
        item["nodePort"] = node_port
    return item


def first_address(cidr: str, offset: int = 1) -> str:
    base = [int(part) for part in cidr.split("/")[0].split(".")]
    base[3] += offset
    return ".".join(map(str, base))


def dns_and_api_services(world: World) -> None:
    plan = world.plan
    api = service(
        "kubernetes",
        "default",
        first_address(plan.service_cidr),
        [port(443, plan.api_port, "https")],
        None,
        labels={"component": "apiserver", "provider": "kubernetes"},
    )
    world.put(api)
    dns_labels = {
        "k8s-app": "kube-dns",
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
    }
    ports = [port(53, 53, "dns", "UDP"), port(53, 53, "dns-tcp"), port(9153, 9153, "metrics")]
    world.put(
        service("kube-dns", "kube-system", plan.dns_ip, ports, {"k8s-app": "kube-dns"}, labels=dns_labels)
    )


def static_pods(world: World, node: str, address: str) -> None:
    """Mirror pods of the control plane."""
    plan = world.plan
    repository = "k8s.gcr.io" if plan.classic else "registry.k8s.io"
    commands = {
        "etcd": ["etcd", f"--advertise-client-urls=https://{address}:2379", "--data-dir=/var/lib/etcd"],
        "kube-apiserver": [
            "kube-apiserver",
            f"--advertise-address={address}",
            "--allow-privileged=true",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--enable-bootstrap-token-auth=true",
            f"--secure-port={plan.api_port}",
            f"--service-cluster-ip-range={plan.service_cidr}",
        ],
        "kube-controller-manager": [
            "kube-controller-manager",
            "--allocate-node-cidrs=true",
            f"--cluster-cidr={plan.pod_cidr}",
            "--cluster-name=kubernetes",
            "--controllers=*,bootstrapsigner,tokencleaner",
            "--kubeconfig=/etc/kubernetes/controller-manager.conf",
            "--leader-elect=true",
            f"--service-cluster-ip-range={plan.service_cidr}",
            "--use-service-account-credentials=true",
        ],
        "kube-scheduler": [
            "kube-scheduler",
            "--kubeconfig=/etc/kubernetes/scheduler.conf",
            "--leader-elect=true",
        ],
    }
    etcd = "3.4.3-0" if plan.classic else "3.5.15-0"
    for name, command in commands.items():
        tag = etcd if name == "etcd" else plan.version
        pod = new_object(
            "v1",
            "Pod",
            f"{name}-{node}",
            "kube-system",
            labels={"component": name, "tier": "control-plane"},
            annotations={"kubernetes.io/config.source": "file"},
            spec={
                "containers": [
                    {
                        "name": name,
                        "image": f"{repository}/{name}:{tag}",
                        "imagePullPolicy": "IfNotPresent",
                        "command": command,
                        "resources": {"requests": {"cpu": "100m"}},
                    }
                ],
                "hostNetwork": True,
                "nodeName": node,
                "priorityClassName": "system-node-critical",
                "restartPolicy": "Always",
                "dnsPolicy": "ClusterFirst",
                "tolerations": [{"effect": "NoExecute", "operator": "Exists"}],
            },
            status={},
        )
        world.put(pod)


def approved_csr(world: World, name: str, node: str, created: float, user: str = "") -> Object:
    """The request for a kubelet's client certificate; `user` is who sent it, the node itself for a renewal."""
    version = "v1beta1" if world.plan.minor < 19 else "v1"
    identity = f"system:node:{node}"
    issued = world.pki.client(identity, "system:nodes").certificate
    return new_object(
        f"certificates.k8s.io/{version}",
        "CertificateSigningRequest",
        name,
        created=created,
        spec={
            "groups": ["system:nodes", "system:authenticated"],
            "request": configs.base64_text(certificate_request(identity, "system:nodes")),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
            "username": user or identity,
        },
        status={
            "certificate": configs.base64_text(issued),
            "conditions": [
                {
                    "type": "Approved",
                    "status": "True",
                    "reason": "AutoApproved",
                    "message": "Auto approving kubelet client certificate after SubjectAccessReview.",
                    "lastUpdateTime": rfc3339(created + 1),
                    "lastTransitionTime": rfc3339(created + 1),
                }
            ],
        },
    )
