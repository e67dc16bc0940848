"""The collector's protocol in the real engine: deadlines, modes, rights, languages, damage, size, secrets."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from nodekit import PROBES, Bench, asked, decoded, node_questions, read

from facts.collector.wire import (
    Answered,
    Asked,
    Damaged,
    Done,
    HelloLine,
    RawAnswer,
    Reader,
    command,
    standard_input,
)
from facts.fact import Fact, Failed
from facts.node.hns import Hns
from facts.node.kubernetes import Kubelet
from facts.node.network import Ports
from facts.node.runtime import Cri
from facts.node.windows import EventLog, Os, Processes, Services, TimeSource
from lab.world.machine import Event, File, Machine
from targets.deadline import Deadline
from targets.errors import MalformedAnswer

pytestmark = pytest.mark.pwsh
BenchFactory = Callable[[Machine], Bench]


def test_without_questions_it_says_hello_and_is_done(bench: BenchFactory, machine: Machine) -> None:
    machine.os.clock_offset = 3_600.0
    heard = bench(machine).heard([])
    assert [type(h) for h in heard] == [HelloLine, Done]
    hello = heard[0]
    assert isinstance(hello, HelloLine)
    assert (hello.language, hello.elevated, hello.version) == ("FullLanguage", True, "5.1.20348.2966")
    ahead = hello.now - datetime.now(UTC)
    assert timedelta(minutes=58) < ahead < timedelta(minutes=61), "the node's own clock"


def test_a_question_that_hangs_does_not_hold_the_others(bench: BenchFactory, machine: Machine) -> None:
    machine.hns.hangs = True
    machine.hung_questions = ["Get-WinEvent"]
    hung = asked(Hns, EventLog, seconds=1.0)
    seen: set[str] = set()
    for heard in bench(machine).heard([*hung, *asked(Os, Services, TimeSource, Ports)]):
        if isinstance(heard, Answered):
            seen.add(heard.id)
            if heard.id in ("hns", "event_log"):
                assert heard.answer.error is not None and heard.answer.error.type == "kwinnow.deadline"
                failed = decoded(Hns if heard.id == "hns" else EventLog, heard.answer)
                assert isinstance(failed, Failed) and (failed.kind, failed.code) == ("deadline", "hung")
            else:
                assert heard.answer.error is None
    assert seen == {"hns", "event_log", "os", "services", "time_source", "ports"}


def test_an_answer_leaves_while_another_question_runs(bench: BenchFactory, machine: Machine) -> None:
    """The slow question ends only after the quick one's answer has been read."""
    node = bench(machine)
    script = 'while (-not [IO.File]::Exists("$env:KWINNOW_LAB_NODE/go")) { [Threading.Thread]::Sleep(20) }'
    reader = Reader()
    order: list[str] = []
    for chunk in node.chunks([Asked("slow", script, {}, 100.0), *asked(TimeSource)]):
        for heard in reader.feed(chunk):
            if isinstance(heard, Answered):
                assert heard.answer.error is None
                order.append(heard.id)
                (node.folder / "go").touch()
    assert order == ["time_source", "slow"]


def test_more_hanging_questions_than_places(bench: BenchFactory, machine: Machine) -> None:
    """Five that never come back must not keep the sixth from its place."""
    stuck = [Asked(f"stuck{i}", "[Threading.Thread]::Sleep(-1)", {}, 0.5) for i in range(5)]
    answers = bench(machine).answers([*stuck, *asked(TimeSource)])
    assert answers["time_source"].error is None
    assert {answers[f"stuck{i}"].error.type for i in range(5)} == {"kwinnow.deadline"}  # type: ignore[union-attr]


def test_at_most_four_run_at_once(bench: BenchFactory, machine: Machine) -> None:
    script = (
        '$mark = "$env:KWINNOW_LAB_NODE/run-$($p.n)"; [IO.File]::WriteAllText($mark, "")\n'
        "$n = [IO.Directory]::GetFiles($env:KWINNOW_LAB_NODE, 'run-*').Length; [Threading.Thread]::Sleep(300)\n"
        "[IO.File]::Delete($mark); $n"
    )
    answers = bench(machine).answers([Asked(f"q{i}", script, {"n": i}, 60.0) for i in range(7)])
    most = max(int(bytes(a.value)) for a in answers.values())
    assert len(answers) == 7 and 2 <= most <= 4


def test_what_a_question_threw_is_told_by_codes(bench: BenchFactory, machine: Machine) -> None:
    scripts = {
        "word": "throw 'plain words'",
        "missing": "Get-Item -LiteralPath C:\\nowhere",
        "typed": "throw (New-Object IO.FileLoadException 'typed')",
        "syntax": "if (",
        "quiet": "",
        "odd": "Write-Warning x; 'first'; @{ last = 1 }",
        "secret": "throw 'password=hunter2canary'",
    }
    answers = bench(machine).answers([Asked(name, text) for name, text in scripts.items()])
    errors = {name: a.error for name, a in answers.items() if a.error is not None}
    assert set(errors) == {"word", "missing", "typed", "syntax", "secret"}
    assert errors["word"].message == "plain words"
    assert errors["missing"].fqid.startswith("PathNotFound,")
    assert errors["typed"].type == "System.IO.FileLoadException" and errors["typed"].hresult == "0x80131621"
    assert "hunter2canary" not in errors["secret"].message
    assert bytes(answers["quiet"].value) == b"null"
    assert json.loads(bytes(answers["odd"].value)) == {"last": 1}


def test_parameters_are_data(bench: BenchFactory, machine: Machine) -> None:
    evil = "'; throw 'run'; $(throw 'run') `n \"x\" ü 的 \u2028"
    script = "@{ text = $p.text; list = @($p.list); n = $p.n }"
    raw = bench(machine).answers([Asked("echo", script, {"text": evil, "list": ["one"], "n": 7})])["echo"]
    assert json.loads(bytes(raw.value)) == {"text": evil, "list": ["one"], "n": 7}


def test_constrained_language_answers_what_cmdlets_can(bench: BenchFactory, machine: Machine) -> None:
    machine.os.language_mode = "ConstrainedLanguage"
    heard = bench(machine).heard(asked(Os, Services, Hns))
    hello = heard[0]
    assert isinstance(hello, HelloLine) and hello.language == "ConstrainedLanguage"
    answers = {h.id: h.answer for h in heard if isinstance(h, Answered)}
    assert set(answers) == {"os", "services"} == {q.name for q in node_questions() if q.minimum}
    os, services = decoded(Os, answers["os"]), decoded(Services, answers["services"])
    assert isinstance(os, Os) and (os.build, os.ubr, os.ui_culture) == (20348, machine.os.ubr, "en-US")
    assert isinstance(services, Services) and services.running("containerd", "docker")
    assert services.running("kubelet") and len(services.services) == len(machine.services)


def test_without_elevation(bench: BenchFactory, machine: Machine) -> None:
    machine.os.elevated = False
    node = bench(machine)
    assert not node.hello().elevated
    got = node.facts([Processes, Kubelet, Hns])
    processes, kubelet, hns = got[Processes], got[Kubelet], got[Hns]
    assert isinstance(processes, Processes) and {p.command_line for p in processes.processes} == {""}
    assert isinstance(kubelet, Kubelet) and kubelet.found_in == "script", "no command line, but the files"
    assert isinstance(hns, Failed) and "0x80070005" in hns.why


def test_other_languages_give_the_same_facts(bench: BenchFactory, machine: Machine) -> None:
    machine.events = [
        Event("System", "Service Control Manager", 7034, 2, -60, ["Kubelet", "1"], "died", "kubelet")
    ]
    wanted: list[type[Fact]] = [q.fact for q in node_questions() if q.fact not in (*PROBES, Os, EventLog)]
    english = bench(machine).facts([*wanted, EventLog])
    for culture, page in (("de-DE", 850), ("zh-CN", 936)):
        machine.os.ui_culture, machine.os.oem_code_page = culture, page
        other = bench(machine).facts([*wanted, Os, EventLog])
        for fact in wanted:
            assert _timeless(other[fact]) == _timeless(english[fact]), f"{fact.__name__} in {culture}"
        os, events, told = other[Os], other[EventLog], english[EventLog]
        assert isinstance(os, Os) and (os.ui_culture, os.oem_code_page) == (culture, page)
        assert isinstance(events, EventLog) and isinstance(told, EventLog)
        assert events.events[0].message != told.events[0].message, "the sentence is localised"
        assert (events.events[0].id, events.events[0].service) == (7034, "kubelet")


def _timeless(value: object) -> object:
    """Without times: two benches count theirs from moments that differ by a little."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value, builtin_types=(datetime,))
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_timeless(inner) for inner in value]
    return None if isinstance(value, datetime) else value


def test_an_answer_of_two_megabytes(bench: BenchFactory, machine: Machine) -> None:
    digits = hashlib.sha512(b"seed").hexdigest()
    lines = "\r\n".join(
        f"{i:08d} {hashlib.sha256(f'{digits}{i}'.encode()).hexdigest()}" for i in range(30_000)
    )
    machine.files[r"C:\big.log"] = File(lines)
    question = Asked("big", r"@{ text = Read-Text 'C:\big.log' }", {}, 120.0)
    out = b"".join(bench(machine).chunks([question]))
    assert max(map(len, out.splitlines())) <= 4_000 + len("~kw data big ")
    answers = {h.id: h.answer for h in Reader().feed(out) if isinstance(h, Answered)}
    assert json.loads(bytes(answers["big"].value)) == {"text": lines}
    assert len(lines) > 2_000_000


def test_the_reader_takes_it_in_any_pieces_and_notices_every_damage(
    bench: BenchFactory, machine: Machine
) -> None:
    out = b"".join(bench(machine).chunks(asked(TimeSource, Services)))
    whole = list(Reader().feed(b"Microsoft banner\r\n#< CLIXML\r\n" + out))
    reader = Reader()
    pieces = [h for i in range(0, len(out), 7) for h in reader.feed(out[i : i + 7])]
    assert pieces == whole and reader.finished
    lines = out.splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if line.startswith(b"~kw data services"))
    flipped = lines[place].replace(lines[place][30:34], lines[place][30:34].swapcase())
    for damaged in ([*lines[:place], flipped, *lines[place + 1 :]], lines[:place] + lines[place + 1 :]):
        heard = list(Reader().feed(b"".join(damaged)))
        assert [h.id for h in heard if isinstance(h, Damaged)] == ["services"]
        assert [h.id for h in heard if isinstance(h, Answered)] == ["time_source"]
    cut = Reader()
    list(cut.feed(out[: len(out) // 2]))
    assert not cut.finished


def test_the_reader_does_not_swallow_what_never_ends() -> None:
    with pytest.raises(MalformedAnswer):
        list(Reader().feed(b"~kw data x " + b"A" * (2 << 20)))
    bomb = gzip.compress(b" " * (65 << 20))
    text = base64.b64encode(bomb)
    end = f"~kw end x {len(bomb)} {hashlib.sha256(bomb).hexdigest()}\n".encode()
    heard = list(Reader().feed(b"~kw data x " + text + b"\n" + end))
    assert heard == [Damaged("x", "The answer is larger than 64 MiB.")]


def test_a_garbled_answer_names_the_field() -> None:
    raw = RawAnswer(datetime.now(UTC), 1, b'{"services": [{"name": "hns", "pid": "many"}]}')  # type: ignore[arg-type]
    failed = decoded(Services, raw)
    assert isinstance(failed, Failed) and failed.kind == "malformed"
    assert "services[0].pid" in failed.why or "$.services[...].pid" in failed.why


def test_a_node_that_cannot_read_the_payload_says_so_and_ends(bench: BenchFactory, machine: Machine) -> None:
    stdin = standard_input([]).replace(b"#payload\n", b"#payload\n!!!!\n")
    out = b"".join(read(bench(machine).start(command(), stdin), Deadline(60.0)))
    reader = Reader()
    assert [type(h) for h in reader.feed(out)] == [HelloLine]
    assert not reader.finished and reader.noise


def test_nothing_after_the_last_line_is_read(bench: BenchFactory, machine: Machine) -> None:
    stdin = standard_input(asked(Os)) + b"#payload\nthis is no answer's business\n#end\n"
    out = b"".join(read(bench(machine).start(command(), stdin), Deadline(60.0)))
    reader = Reader()
    assert [type(h) for h in reader.feed(out)] == [HelloLine, Answered, Done]
    assert reader.noise == []


def test_standard_input_without_its_last_line_is_said(bench: BenchFactory, machine: Machine) -> None:
    stdin = standard_input(asked(Os)).removesuffix(b"#end\n")
    out = b"".join(read(bench(machine).start(command(), stdin), Deadline(60.0)))
    reader = Reader()
    assert list(reader.feed(out)) == []
    assert not reader.finished and reader.noise == ["Standard input ended before its last line."]


def test_no_secret_leaves_the_node(bench: BenchFactory, machine: Machine) -> None:
    """Canaries in every place where people keep secrets; none may be in anything that comes back."""
    canary = "c4n4rycanary0000"
    token = f"abcdef.{canary}"
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{canary}\n-----END RSA PRIVATE KEY-----\n"
    jwt = f"eyJhbGciOiJSUzI1NiJ9.{canary}.sig"
    pem = machine.files[r"C:\var\lib\kubelet\pki\kubelet-client-current.pem"]
    pem.text += key
    hidden = base64.b64encode(key.encode()).decode()
    config = machine.files[r"C:\etc\kubernetes\kubelet.conf"]
    config.text += f"- name: other\n  user:\n    token: {jwt}\n    client-key-data: {hidden}\n    exec:\n"
    config.text += (
        f"      command: x\n      args:\n      - --password={canary}\n      env:\n      - name: A\n"
    )
    config.text += f"        value: {canary}\n    password: |\n      {canary}\n    username: {canary}\n"
    machine.files[r"C:\k\config"] = File(json.dumps({"users": [{"user": {"token": canary}}]}))
    machine.files[r"C:\k\StartKubelet.ps1"].text += f"$token = '{canary}'\n# kubeadm join --token {token}\n"
    toml = machine.files[r"C:\Program Files\containerd\config.toml"]
    toml.text += f'\n[plugins."io.containerd.grpc.v1.cri".registry.configs."r".auth]\npassword = "{canary}"\n'
    toml.text += f"auth = '{canary}'\nidentitytoken = \"{canary}\"\n"
    log = f"Authorization: Bearer {canary}\ntoken={jwt}\nhttps://user:{canary}@proxy:3128/x\n{key}"
    machine.files[r"C:\var\log\kubelet\kubelet.err.log"].text += log
    machine.files[r"C:\etc\cni\net.d\10-flannel.conf"].text = json.dumps({"name": "n", "api_key": canary})
    machine.files[r"C:\run\flannel\subnet.env"].text += f"MY_TOKEN={canary}\n"
    machine.environment |= {
        "HTTPS_PROXY": f"http://user:{canary}@proxy:3128",
        "KUBECONFIG": f"token={canary}",
    }
    nssm = machine.services["kubelet"].nssm
    nssm["AppParameters"] = f"{nssm.get('AppParameters', '')} --bootstrap-token {token}"
    nssm["AppEnvironmentExtra"] = [
        f"DB_PASSWORD={canary}",
        f"SSH_KEY={canary}",
        f"PROXY=http://u:{canary}@p:1",
    ]
    next(p for p in machine.processes if p.name == "kubelet.exe").command_line += f" --auth-token={canary}"
    machine.events = [
        Event("System", "Service Control Manager", 7034, 2, -60, [f"password={canary}"], f"token: {canary}")
    ]
    program = next(p for p in machine.natives if p.endswith("crictl.exe"))
    for said in machine.natives[program].values():
        annotations = {"last-applied": json.dumps({"password": canary}), "token": canary}
        said.stdout = said.stdout.replace('"annotations": {}', f'"annotations": {json.dumps(annotations)}')
    wanted: list[type[Fact]] = [q.fact for q in node_questions() if q.fact not in PROBES]
    answers = bench(machine).answers(asked(*wanted))
    for name, answer in answers.items():
        sent = bytes(answer.value).decode() + str(answer.error)
        for secret in (canary, hidden):
            place = sent.find(secret)
            assert place < 0, f"{name}: …{sent[max(0, place - 200) : place]}"
    kubeconfigs = json.loads(bytes(answers["kubeconfigs"].value))
    assert "kw-hidden" in kubeconfigs["kubeconfigs"][0]["text"]
    cri = decoded(Cri, answers["cri"])
    assert isinstance(cri, Cri) and cri.sandbox_image, "what is left can still be read"


def test_what_is_no_secret_stays_readable(bench: BenchFactory, machine: Machine) -> None:
    lines = [
        r"kubelet.exe --authentication-token-webhook=true --anonymous-auth=false --cert-dir=C:\var\lib\kubelet\pki",
        r"--bootstrap-kubeconfig=C:\etc\kubernetes\bootstrap-kubelet.conf --tls-private-key-file=C:\k\x.key",
        '{"auth": {"a": 1}, "token": null, "tokens": [], "secret": true, "password": 5}',
        "authentication:\n  anonymous:\n    enabled: false\nrotateCertificates: true\ntokenCacheTTL: 0s",
        'E0102 03:04:05.678901    3728 kubelet.go:2901] "Container runtime network not ready" networkReady="false"',
        "https://registry.k8s.io/v2/pause/manifests/3.10@sha256:0123456789abcdef0123456789abcdef",
        "npipe:////./pipe/containerd-containerd 10.96.0.10:53 flannel.4096 svc.cluster.local",
        'hcnCreateEndpoint failed in Win32: (0x803b0013) {"Success":false,"ErrorCode":2151350291}',
    ]
    script = "@{ lines = @($p.lines | ForEach-Object { Hide-Secrets $_ }) }"
    raw = bench(machine).answers([Asked("hide", script, {"lines": lines})])["hide"]
    assert json.loads(bytes(raw.value)) == {"lines": lines}
