$crictl = Find-Crictl
$docker = Get-CimInstance -ClassName Win32_Service -Filter "Name='docker'" | Select-Object -First 1
if ($crictl) {
    $said = Read-Program $crictl @('--runtime-endpoint', 'npipe:////./pipe/containerd-containerd', '--timeout', '5s', 'pods', '-o', 'json')
    $tool = 'crictl'
} elseif ($docker) {
    $program = Find-Program 'docker.exe' @('C:\Program Files\Docker\docker.exe')
    if (-not $program) { return @{ tool = '' } }
    $said = Read-Program $program @('ps', '-a', '--no-trunc', '--filter', 'label=io.kubernetes.docker.type=podsandbox', '--format', '{{json .}}')
    $tool = 'docker'
} else { return @{ tool = '' } }
if ($said.code -ne 0) { throw "${tool}: $($said.err)" }
@{ tool = $tool; text = (Hide-Secrets $said.out) }
