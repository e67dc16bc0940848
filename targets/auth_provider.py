"""`users[].user.auth-provider` of a kubeconfig: what is left of it.

kubectl has had none but oidc since 1.26. The official client reads that one; it is imported when one is met.
"""

from __future__ import annotations

import queue
import threading
from typing import Any

from urllib3.exceptions import HTTPError

from targets.deadline import Deadline, spoken
from targets.errors import CredentialsExpired, DeadlineExceeded
from targets.kubeconfig import AuthProvider, Chosen, KubeconfigError

_PLUGINS = {"gcp": "gke-gcloud-auth-plugin", "azure": "kubelogin"}
_CA = "idp-certificate-authority"  # a file; with -data behind it the certificate itself
_SECONDS = 30.0  # the client sets no limit to its question to the issuer


def from_auth_provider(chosen: Chosen, provider: AuthProvider, deadline: Deadline) -> str:
    """The Authorization header of an oidc entry, its token renewed where it is over."""
    label = f"The auth-provider “{provider.name}” of user “{chosen.user_name}”"
    if provider.name != "oidc":
        plugin = f" ({_PLUGINS[provider.name]})" if provider.name in _PLUGINS else ""
        raise KubeconfigError(
            f"{label} is not supported: Kubernetes has removed it.",
            f"Use the exec plug-in that has replaced it{plugin}.",
        )
    answer: queue.SimpleQueue[str] = queue.SimpleQueue()
    thread = threading.Thread(
        target=_ask, args=(chosen, provider, answer), daemon=True, name="kwinnow-auth-provider"
    )
    thread.start()
    seconds = deadline.left(_SECONDS)
    thread.join(seconds)
    if thread.is_alive():
        raise DeadlineExceeded(
            f"{label} did not give a token within {spoken(seconds)} s.", "Does its issuer answer from here?"
        )
    # Nothing there: what the client died of may quote the configuration, which holds secrets.
    token = "" if answer.empty() else answer.get()
    if not token:
        raise CredentialsExpired(f"{label} gave no token.", "Log in again.")
    return token


def _ask(chosen: Chosen, provider: AuthProvider, answer: queue.SimpleQueue[str]) -> None:
    """Answers nothing where there is no token to be had."""
    import certifi
    from kubernetes.client import Configuration
    from kubernetes.client.exceptions import OpenApiException
    from kubernetes.config import ConfigException, load_kube_config_from_dict
    from oauthlib.oauth2 import OAuth2Error  # type: ignore[import-untyped]

    # Without a CA of its own the client would trust any issuer, and hand it the refresh token.
    trusted = {} if any(k.startswith(_CA) for k in provider.config) else {_CA: certifi.where()}
    entry: dict[str, Any] = {"name": provider.name, "config": {**provider.config, **trusted}}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": chosen.cluster.server}}],
        "users": [{"name": "u", "user": {"auth-provider": entry}}],
    }
    settings = Configuration()
    try:
        load_kube_config_from_dict(  # type: ignore[no-untyped-call]
            document, client_configuration=settings, persist_config=False
        )
    except (ConfigException, OpenApiException, OAuth2Error, HTTPError, OSError):
        return
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError):
        return  # the client reads the entry and the issuer's answer without a look at what they are
    answer.put(str(settings.api_key.get("BearerToken") or ""))
