"""Which image builds run where, what the pause table says, and how references are read."""

from __future__ import annotations

import pytest

from checks.image.compatibility import Fit, build_of_tag, fit, named, runs, selects_older_entries, version_of
from checks.image.pause_table import KUBEADM, KUBERNETES, MICROSOFT, entries, official
from checks.image.reference import parse, same
from checks.image.sandbox_events import Layer, layer_of, platform_refused


@pytest.mark.parametrize(
    ("host", "image", "expected"),
    [
        (17763, 17763, True),
        (17763, 20348, False),  # never newer than the host
        (20348, 17763, False),  # not across the border of 2022
        (20348, 20348, True),
        (25398, 20348, True),
        (26100, 20348, True),
        (26100, 25398, True),
        (26100, 17763, False),
        (20348, 26100, False),
    ],
)
def test_host_runs_image(host: int, image: int, expected: bool) -> None:
    assert runs(host, image) is expected


def test_an_equal_entry_is_better_than_an_older_one() -> None:
    assert fit(26100, (17763, 20348, 26100)) is Fit.EXACT
    assert fit(26100, (17763, 20348)) is Fit.STABLE
    assert fit(19041, (17763, 20348)) is Fit.NONE
    assert fit(20348, ()) is Fit.NONE


@pytest.mark.parametrize(
    ("version", "able"),
    [("1.7.5", False), ("1.7.6", True), ("v1.6.36", False), ("2.0.0+unknown", True), ("", None)],
)
def test_containerd_selects_older_entries_from_1_7_6_on(version: str, able: bool | None) -> None:
    assert selects_older_entries(version) is able


def test_versions() -> None:
    assert version_of("v1.31.4") == (1, 31, 4)
    assert version_of("1.33") == (1, 33, 0)
    assert version_of("main") is None
    assert named(20348) == "Server 2022 (20348)"
    assert named(12345) == "build 12345"


@pytest.mark.parametrize(
    ("tag", "build"),
    [
        ("ltsc2022", 20348),
        ("1809-amd64", 17763),
        ("4.8-windowsservercore-ltsc2019", 17763),
        ("8.0-nanoserver-ltsc2025", 26100),
        ("10.0.20348.2966", 20348),
        ("v1.31.4-flannel-hostprocess", None),
        ("1.27", None),
        ("ltsc2019-ltsc2022", None),  # both: a tag that tells nothing
        ("20042", None),
        ("nanoserver-2004", 19041),
        ("v2.1-win1809-amd64", 17763),
        ("4.8-windowsservercore-1709", 16299),
        ("20H2", 19042),
        ("v20180917-3f1909a", None),  # dates and commits
        ("bionic-20190912", None),
        ("build-118094", None),
        ("10.0.12345", None),  # a version of something else
    ],
)
def test_build_named_by_a_tag(tag: str, build: int | None) -> None:
    assert build_of_tag(tag) == build


def test_pause_table() -> None:
    assert entries("registry.k8s.io/pause:3.5") == (17763, 18362, 18363, 19041, 19042)
    assert entries("mcr.microsoft.com/k8s/core/pause:1.2.0") == (17134, 17763, 18362)
    assert 26100 in (entries("registry.k8s.io/pause:3.10.2") or ())
    assert 20348 not in (entries("k8s.gcr.io/pause:3.4.1") or ())
    assert entries("hub.corp.example/any/pause:3.9") == (17763, 20348)
    assert entries("kubeletwin/pause") is None
    assert entries("registry.k8s.io/pause") is None
    assert entries("registry.k8s.io/etcd:3.5") is None
    assert not set(KUBERNETES) & set(MICROSOFT)
    assert set(KUBEADM.values()) <= set(KUBERNETES)
    assert official("registry.k8s.io/pause:3.10")
    assert not official("registry.k8s.io.corp.example/pause:3.10")


@pytest.mark.parametrize(
    ("text", "host", "path", "tag"),
    [
        ("registry.k8s.io/pause:3.10", "registry.k8s.io", "pause", "3.10"),
        ("nginx", "docker.io", "library/nginx", ""),
        ("kubeletwin/pause", "docker.io", "kubeletwin/pause", ""),
        ("localhost:5000/a/b:1", "localhost:5000", "a/b", "1"),
        ("hub:443/pause@sha256:ab", "hub:443", "pause", ""),
    ],
)
def test_references(text: str, host: str, path: str, tag: str) -> None:
    image = parse(text)
    assert (image.host, image.path, image.tag) == (host, path, tag)


def test_short_and_long_names_are_the_same_image() -> None:
    assert same("nginx:1.27", "docker.io/library/nginx:1.27")
    assert not same("registry.k8s.io/pause:3.1", "registry.k8s.io/pause:3.10")
    assert same("hub.corp.example/pause", "hub.corp.example/pause:latest")


def test_a_digest_decides_where_both_have_one() -> None:
    """containerd lists NAME:TAG@DIGEST without the tag."""
    assert same("gke.gcr.io/pause:3.8@sha256:ab", "gke.gcr.io/pause@sha256:ab")
    assert not same("gke.gcr.io/pause:3.8@sha256:ab", "gke.gcr.io/pause:3.8@sha256:cd")
    assert not same("gke.gcr.io/pause:3.8", "gke.gcr.io/pause@sha256:ab")


@pytest.mark.parametrize(
    ("message", "layer"),
    [
        ('failed to setup network for sandbox "a": plugin type="flannel" failed (add)', Layer.NETWORK),
        ('networkPlugin cni failed to set up pod "a_b" network', Layer.NETWORK),
        ('failed to create network namespace for sandbox "a": hcnCreateNamespace failed', Layer.NAMESPACE),
        ('failed to get sandbox image "registry.k8s.io/pause:3.5": no match for platform', Layer.IMAGE),
        ("CreateComputeSystem 3f1: … (0xc0370101)", Layer.IMAGE),
        ("容器操作系统与主机操作系统不匹配。 (0xc0370101)", Layer.IMAGE),
        ("failed to logon user", Layer.OTHER),
    ],
)
def test_layer_that_refused(message: str, layer: Layer) -> None:
    assert layer_of(message) is layer


def test_an_unreachable_registry_did_not_refuse_the_platform() -> None:
    assert not platform_refused('failed to get sandbox image "x": dial tcp: i/o timeout')
    assert platform_refused("no matching manifest for windows/amd64 10.0.20348 in the manifest list entries")
    assert platform_refused("a Windows version 10.0.20348-based image is incompatible with a 10.0.17763 host")
