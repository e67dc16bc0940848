$crictl = Find-Crictl
$docker = Get-CimInstance -ClassName Win32_Service -Filter "Name='docker'" | Select-Object -First 1
$versions = @{}
if ($crictl) {
    $said = Read-Program $crictl @('--runtime-endpoint', 'npipe:////./pipe/containerd-containerd', '--timeout', '5s', 'images', '-o', 'json')
    $tool = 'crictl'
} elseif ($docker) {
    $program = Find-Program 'docker.exe' @('C:\Program Files\Docker\docker.exe')
    if (-not $program) { return @{ tool = '' } }
    $said = Read-Program $program @('images', '--format', '{{json .}}')
    $tool = 'docker'
    # The only tool that tells an image's Windows version; asked for pause images alone, it opens each one.
    if ($said.code -eq 0) {
        foreach ($line in $said.out -split "`n") {
            if ($line -notmatch '"Repository":\s*"([^"]*pause[^"]*)"') { continue }
            $repository = $Matches[1]
            if ($line -notmatch '"Tag":\s*"([^"<]+)"') { continue }
            $reference = "${repository}:$($Matches[1])"
            $told = Read-Program $program @('image', 'inspect', '--format', '{{.OsVersion}}', $reference)
            if ($told.code -eq 0) { $versions[$reference] = $told.out.Trim() }
        }
    }
} else { return @{ tool = '' } }
if ($said.code -ne 0) { throw "${tool}: $($said.err)" }
@{ tool = $tool; text = $said.out; versions = $versions }
