$crictl = Find-Program 'crictl.exe' @('C:\Program Files\containerd\crictl.exe', 'C:\Program Files\containerd\bin\crictl.exe', 'C:\k\crictl.exe', 'C:\usr\local\bin\crictl.exe', 'C:\bin\crictl.exe')
if (-not $crictl) { return @{ present = $false } }
$said = Read-Program $crictl @('--runtime-endpoint', 'npipe:////./pipe/containerd-containerd', '--timeout', '5s', 'info')
@{ present = $true; code = $said.code; info = (Hide-Secrets $said.out); error = (Hide-Secrets $said.err) }
