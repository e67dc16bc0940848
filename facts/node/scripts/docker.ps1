$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='docker'" | Select-Object -First 1
if (-not $service) { return @{ present = $false } }
$program = Find-Program 'docker.exe' @('C:\Program Files\Docker\docker.exe')
$said = @{ out = ''; err = 'docker.exe is not installed'; code = 1 }
if ($program) { $said = Read-Program $program @('version', '--format', '{{json .}}') }
$pipe = @(Find-Pipe 'docker_engine') -contains 'docker_engine'
@{ present = $true; text = $said.out; error = $said.err; code = $said.code; pipe = $pipe }
