"""Kubeconfig files: which contexts there are, and what it takes to reach the cluster behind one of them.

The rules are kubectl's: `--kubeconfig` names exactly one file; else `$KUBECONFIG` is a list in which files
that do not exist are passed over and the first file to name a thing wins; else `~/.kube/config`; else, inside
a pod, the service account. Reading needs PyYAML only, so a list of contexts is cheap. Source: "Organizing
Cluster Access Using kubeconfig Files" in the Kubernetes documentation.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from targets.decoding import converted
from targets.errors import TargetError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
IN_CLUSTER = "in-cluster"

T = TypeVar("T")


class KubeconfigError(TargetError):
    """The kubeconfig, or something that it names, cannot be used. Quotes names from it, never values."""

    kind = "kubeconfig"


class ExecEnv(msgspec.Struct, frozen=True):
    name: str
    value: str = ""


class ExecEntry(msgspec.Struct, frozen=True, rename="camel"):
    """`users[].user.exec`: a credential plug-in."""

    command: str
    api_version: str = "client.authentication.k8s.io/v1"
    args: tuple[str, ...] = ()
    env: tuple[ExecEnv, ...] = ()
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"
    install_hint: str = ""


class AuthProvider(msgspec.Struct, frozen=True):
    name: str
    config: dict[str, object] = {}


class ClusterEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """`clusters[].cluster`."""

    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    extensions: tuple[dict[str, object], ...] = ()


class UserEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """`users[].user`. Its repr is cut short on purpose: it holds secrets."""

    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    exec: ExecEntry | None = None
    auth_provider: AuthProvider | None = None
    impersonate: str = msgspec.field(default="", name="as")
    impersonate_uid: str = msgspec.field(default="", name="as-uid")
    impersonate_groups: tuple[str, ...] = msgspec.field(default=(), name="as-groups")

    def __repr__(self) -> str:
        return "UserEntry(…)"


class _ContextEntry(msgspec.Struct, frozen=True):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _NamedCluster(msgspec.Struct, frozen=True):
    name: str
    cluster: ClusterEntry = ClusterEntry()


class _NamedUser(msgspec.Struct, frozen=True):
    name: str
    user: UserEntry = UserEntry()


class _NamedContext(msgspec.Struct, frozen=True):
    name: str
    context: _ContextEntry = _ContextEntry()


class _Document(msgspec.Struct, frozen=True, rename="kebab"):
    clusters: tuple[_NamedCluster, ...] = ()
    users: tuple[_NamedUser, ...] = ()
    contexts: tuple[_NamedContext, ...] = ()
    current_context: str = ""


@dataclass(frozen=True)
class ContextInfo:
    """One line of a list of contexts. `server` is empty where the context names a cluster that is missing."""

    name: str
    cluster: str
    user: str
    namespace: str
    server: str
    file: Path
    current: bool


@dataclass(frozen=True)
class Chosen:
    """All that a kubeconfig says about one context. Relative paths in an entry start at its `*_folder`."""

    context: str
    namespace: str
    cluster_name: str
    cluster: ClusterEntry
    cluster_folder: Path
    user_name: str
    user: UserEntry
    user_folder: Path
    kubectl_flags: tuple[str, ...] = ()  # what kubectl needs to choose the same, for pasteable commands


@dataclass
class Kubeconfig:
    """Merged kubeconfig files. Each thing is kept with the file it is from."""

    files: tuple[Path, ...]
    explicit: bool = False
    current: str = ""
    _clusters: dict[str, tuple[ClusterEntry, Path]] = field(default_factory=dict, repr=False)
    _users: dict[str, tuple[UserEntry, Path]] = field(default_factory=dict, repr=False)
    _contexts: dict[str, tuple[_ContextEntry, Path]] = field(default_factory=dict, repr=False)

    def contexts(self) -> list[ContextInfo]:
        """Every context, in the order of the files."""
        found = []
        for name, (entry, file) in self._contexts.items():
            cluster = self._clusters.get(entry.cluster)
            server = cluster[0].server if cluster else ""
            current = name == self.current
            found.append(ContextInfo(name, entry.cluster, entry.user, entry.namespace, server, file, current))
        return found

    def choose(self, context: str | None = None) -> Chosen:
        """What `context` (default: the current one) says. KubeconfigError names what is missing."""
        name = context or self.current
        where = " and ".join(str(file) for file in self.files)
        if not name:
            raise KubeconfigError(
                f"{where} has no current-context.",
                f"Name one with --context, or `kubectl config use-context NAME`. {self._known('contexts')}",
            )
        if name not in self._contexts:
            said = "current-context" if not context else "context"
            raise KubeconfigError(f"There is no {said} “{name}” in {where}.", self._nearest(name))
        entry, file = self._contexts[name]
        if not entry.cluster:
            raise KubeconfigError(f"Context “{name}” in {file} names no cluster.", "Give it a `cluster:`.")
        cluster = self._named(self._clusters, entry.cluster, "cluster", name, file)
        if not cluster[0].server:
            raise KubeconfigError(
                f"Cluster “{entry.cluster}” in {cluster[1]} has no server.", "Give it a `server:` URL."
            )
        user = (UserEntry(), file)
        if entry.user:
            user = self._named(self._users, entry.user, "user", name, file)
        flags = ("--kubeconfig", str(self.files[0])) if self.explicit else ()
        return Chosen(
            context=name,
            namespace=entry.namespace or "default",
            cluster_name=entry.cluster,
            cluster=cluster[0],
            cluster_folder=cluster[1].parent,
            user_name=entry.user,
            user=user[0],
            user_folder=user[1].parent,
            kubectl_flags=(*flags, "--context", name),
        )

    def _named(
        self, have: Mapping[str, tuple[T, Path]], wanted: str, what: str, context: str, file: Path
    ) -> tuple[T, Path]:
        if wanted in have:
            return have[wanted]
        known = ", ".join(sorted(have)) or "none"
        raise KubeconfigError(
            f"Context “{context}” in {file} names the {what} “{wanted}”, which is not there.",
            f"Known {what}s: {known}.",
        )

    def _known(self, what: str) -> str:
        names = sorted(self._contexts)
        return f"Known {what}: {', '.join(names)}." if names else f"There are no {what} in it."

    def _nearest(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._contexts, n=1, cutoff=0.5)
        guess = f"Did you mean “{near[0]}”? " if near else ""
        return guess + self._known("contexts")


def load(explicit: Path | None = None, environ: Mapping[str, str] = os.environ) -> Kubeconfig:
    """Read and merge the files that kubectl would read. KubeconfigError if there is nothing to go by."""
    if explicit is not None:
        return _merge([explicit.expanduser()], explicit=True)
    listed = [Path(part).expanduser() for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    if listed:
        there = [path for path in listed if _exists(path)]
        if not there:
            names = ", ".join(str(path) for path in listed)
            raise KubeconfigError(
                f"$KUBECONFIG names {names}, which does not exist.",
                "Correct $KUBECONFIG or use --kubeconfig.",
            )
        return _merge(there)
    default = Path(environ.get("HOME") or Path.home()) / ".kube" / "config"
    if not _exists(default):
        raise KubeconfigError(
            f"There is no kubeconfig: $KUBECONFIG is not set and {default} does not exist.",
            "Set $KUBECONFIG, use --kubeconfig FILE, or try the practice cluster: kwinnow lab.",
        )
    return _merge([default])


def in_cluster(environ: Mapping[str, str] = os.environ, folder: Path = SERVICE_ACCOUNT) -> Chosen | None:
    """The service account of the pod we run in, or None outside of one."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not _exists(folder / "token"):
        return None
    namespace = folder / "namespace"
    return Chosen(
        context=IN_CLUSTER,
        namespace=_read(namespace).strip() if _exists(namespace) else "default",
        cluster_name=IN_CLUSTER,
        cluster=ClusterEntry(
            server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
            certificate_authority=str(folder / "ca.crt"),
        ),
        cluster_folder=folder,
        user_name="service account",
        user=UserEntry(token_file=str(folder / "token")),
        user_folder=folder,
    )


def choose(
    explicit: Path | None = None, context: str | None = None, environ: Mapping[str, str] = os.environ
) -> Chosen:
    """What kubectl would talk to: a kubeconfig where there is one, else the pod's service account."""
    try:
        config = load(explicit, environ)
    except KubeconfigError:
        pod = in_cluster(environ) if explicit is None and not environ.get("KUBECONFIG") else None
        if pod is None or context not in (None, IN_CLUSTER):
            raise
        return pod
    return config.choose(context)


def _merge(files: list[Path], explicit: bool = False) -> Kubeconfig:
    merged = Kubeconfig(tuple(files), explicit)
    empty = []
    for file in files:
        document = _parse(file)
        if document is None:
            empty.append(file)
            continue
        merged.current = merged.current or document.current_context
        for cluster in document.clusters:
            merged._clusters.setdefault(cluster.name, (cluster.cluster, file))
        for user in document.users:
            merged._users.setdefault(user.name, (user.user, file))
        for context in document.contexts:
            merged._contexts.setdefault(context.name, (context.context, file))
    if len(empty) == len(files):
        raise KubeconfigError(
            f"{empty[0]} is empty.", "Copy the cluster's kubeconfig there, or use --kubeconfig."
        )
    return merged


def _parse(file: Path) -> _Document | None:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        raw = yaml.load(_read(file), Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark else ""
        # PyYAML's own text quotes the file, and with it perhaps a token.
        raise KubeconfigError(
            f"{file} is not YAML{line}.", "Mend that line, or copy the file anew."
        ) from None
    except yaml.YAMLError:
        raise KubeconfigError(f"{file} is not YAML.", "It may be binary or damaged; copy it anew.") from None
    if raw is None:
        return None
    try:
        return converted(_without_nulls(raw), _Document)
    except msgspec.ValidationError as error:
        raise KubeconfigError(f"{file} is not a kubeconfig: {error}.", "Mend that field.") from None


def _without_nulls(value: object) -> object:
    """kubectl takes `users: null` and `namespace:` for absent; so do we."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a parent we may not enter: reading it will say so properly
        return True


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise KubeconfigError(f"The kubeconfig {file} does not exist.", "Check the path.") from None
    except PermissionError:
        raise KubeconfigError(
            f"{file} cannot be read: permission denied.", f"Check `ls -l {file}`."
        ) from None
    except IsADirectoryError:
        raise KubeconfigError(f"{file} is a folder, not a kubeconfig.", "Name the file in it.") from None
    except UnicodeDecodeError:
        raise KubeconfigError(f"{file} is not text.", "It may be binary or damaged; copy it anew.") from None
    except OSError as error:
        raise KubeconfigError(f"{file} cannot be read: {error.strerror}.") from None
