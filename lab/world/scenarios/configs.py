"""Texts of configuration files, filled from the plan: kubeconfigs, kubelet, containerd, flannel, CNI."""

from __future__ import annotations

import base64
import json
from typing import Any

from lab.world.state import Plan


def base64_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfig(
    plan: Plan, ca: str, user: str, *, server: str = "", credential: str = "", token: str = ""
) -> str:
    """A kubeconfig; `credential` is YAML below `user:` (client-certificate…), indented by four."""
    who = credential or (f"    token: {token}\n" if token else "")
    body = f"  user:\n{who}" if who else "  user: {}\n"
    return (
        "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n"
        f"    certificate-authority-data: {base64_text(ca)}\n    server: {server or plan.api_url}\n"
        f"  name: kubernetes\ncontexts:\n- context:\n    cluster: kubernetes\n    user: {user}\n"
        f"  name: {user}@kubernetes\ncurrent-context: {user}@kubernetes\npreferences: {{}}\n"
        f"users:\n- name: {user}\n{body}"
    )


def inline_credential(certificate: str, key: str) -> str:
    return (
        f"    client-certificate-data: {base64_text(certificate)}\n    client-key-data: {base64_text(key)}\n"
    )


def file_credential(path: str, key_path: str = "") -> str:
    return f"    client-certificate: {path}\n    client-key: {key_path or path}\n"


def net_conf(plan: Plan) -> dict[str, Any]:
    return {"Network": plan.pod_cidr, "Backend": {"Type": "vxlan", "VNI": 4096, "Port": 4789}}


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


def windows_cni(plan: Plan) -> dict[str, Any]:
    """The CNI configuration that the HostProcess flannel writes on each Windows node (containerd, HNS v2)."""

    def policy(kind: str, **settings: Any) -> dict[str, Any]:
        value: dict[str, Any] = {"Type": kind}
        if settings:
            value["Settings"] = settings
        return {"Name": "EndpointPolicy", "Value": value}

    return {
        "name": "flannel.4096",
        "cniVersion": "0.3.0",
        "type": "flannel",
        "capabilities": {"portMappings": True, "dns": True},
        "delegate": {
            "type": "sdnoverlay",
            "AdditionalArgs": [
                policy("OutBoundNAT", Exceptions=[plan.service_cidr, plan.pod_cidr]),
                policy("SDNROUTE", DestinationPrefix=plan.service_cidr, NeedEncap=True),
                policy("ProviderAddress"),
            ],
        },
    }


def classic_cni(plan: Plan) -> dict[str, Any]:
    """The CNI configuration of the `C:\\k` scripts for overlay (HNS v1)."""
    return {
        "cniVersion": "0.2.0",
        "name": "vxlan0",
        "type": "flannel",
        "capabilities": {"dns": True},
        "delegate": {
            "type": "win-overlay",
            "dns": {"Nameservers": [plan.dns_ip], "Search": ["svc." + plan.domain]},
            "Policies": [
                {
                    "Name": "EndpointPolicy",
                    "Value": {"Type": "OutBoundNAT", "ExceptionList": [plan.pod_cidr, plan.service_cidr]},
                },
                {
                    "Name": "EndpointPolicy",
                    "Value": {"Type": "ROUTE", "DestinationPrefix": plan.service_cidr, "NeedEncap": True},
                },
            ],
        },
    }


def kubelet_config(plan: Plan, *, windows: bool) -> str:
    """A KubeletConfiguration as kubeadm writes it, with the values that Windows needs where it is for Windows."""
    lines = [
        "apiVersion: kubelet.config.k8s.io/v1beta1",
        "authentication:\n  anonymous:\n    enabled: false\n  webhook:\n    cacheTTL: 0s\n    enabled: true",
    ]
    pki = r"C:\etc\kubernetes\pki\ca.crt" if windows else "/etc/kubernetes/pki/ca.crt"
    lines.append(f"  x509:\n    clientCAFile: {pki}")
    lines.append("authorization:\n  mode: Webhook")
    if windows:
        lines.append("cgroupsPerQOS: false")
    lines.append(f"clusterDNS:\n- {plan.dns_ip}\nclusterDomain: {plan.domain}")
    if windows:
        lines.append('containerRuntimeEndpoint: ""\nenforceNodeAllocatable: []')
    lines.append("healthzBindAddress: 127.0.0.1\nhealthzPort: 10248\nkind: KubeletConfiguration")
    lines.append('resolvConf: ""' if windows else "resolvConf: /run/systemd/resolve/resolv.conf")
    lines.append("rotateCertificates: true")
    static = r"C:\etc\kubernetes\manifests" if windows else "/etc/kubernetes/manifests"
    lines.append(f"staticPodPath: {static}")
    if windows:
        lines.append("systemReserved:\n  memory: 2Gi")
    return "\n".join(lines) + "\n"


def containerd_config(pause: str) -> str:
    return (
        "version = 2\n"
        "root = 'C:\\ProgramData\\containerd\\root'\nstate = 'C:\\ProgramData\\containerd\\state'\n\n"
        "[grpc]\n  address = '\\\\.\\pipe\\containerd-containerd'\n\n"
        '[plugins]\n  [plugins."io.containerd.grpc.v1.cri"]\n'
        f'    sandbox_image = "{pause}"\n'
        '    [plugins."io.containerd.grpc.v1.cri".cni]\n'
        '      bin_dir = "C:/opt/cni/bin"\n      conf_dir = "C:/etc/cni/net.d"\n      max_conf_num = 1\n'
        '    [plugins."io.containerd.grpc.v1.cri".containerd]\n'
        '      default_runtime_name = "runhcs-wcow-process"\n'
        '      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runhcs-wcow-process]\n'
        '        runtime_type = "io.containerd.runhcs.v1"\n'
    )


def start_kubelet_script(hostname_override: str) -> str:
    """The wrapper that nssm runs. The world's kubelet model reads the arguments from its `$own` line."""
    own = (
        r"--cert-dir=C:\var\lib\kubelet\pki --config=C:\var\lib\kubelet\config.yaml "
        r"--bootstrap-kubeconfig=C:\etc\kubernetes\bootstrap-kubelet.conf "
        rf"--kubeconfig=C:\etc\kubernetes\kubelet.conf --hostname-override={hostname_override} "
        "--register-with-taints=os=windows:NoSchedule --windows-priorityclass=ABOVE_NORMAL_PRIORITY_CLASS"
    )
    return (
        "$line = Get-Content -Raw C:\\var\\lib\\kubelet\\kubeadm-flags.env\n"
        "$joined = ($line -replace '^KUBELET_KUBEADM_ARGS=', '').Trim().Trim('\"')\n"
        f"$own = '{own}'\n"
        'cmd /c "C:\\k\\kubelet.exe $joined $own"\n'
    )


def corefile(plan: Plan) -> str:
    return (
        ".:53 {\n    errors\n    health {\n       lameduck 5s\n    }\n    ready\n"
        f"    kubernetes {plan.domain} in-addr.arpa ip6.arpa {{\n       pods insecure\n"
        "       fallthrough in-addr.arpa ip6.arpa\n       ttl 30\n    }\n"
        "    prometheus :9153\n    forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }\n"
        "    cache 30\n    loop\n    reload\n    loadbalance\n}\n"
    )
