$crictl = Find-Crictl
if (-not $crictl) { return @{ present = $false } }
$said = Read-Program $crictl @('--runtime-endpoint', 'npipe:////./pipe/containerd-containerd', '--timeout', '5s', 'info')
@{ present = $true; code = $said.code; info = (Hide-Secrets $said.out); error = (Hide-Secrets $said.err) }
