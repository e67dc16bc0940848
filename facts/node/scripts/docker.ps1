$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='docker'" | Select-Object -First 1
if (-not $service) { return @{ present = $false } }
$program = Find-Program 'docker.exe' @('C:\Program Files\Docker\docker.exe')
$said = @{ out = ''; err = 'docker.exe is not installed'; code = 1 }
if ($program) { $said = Read-Program $program @('version', '--format', '{{json .}}') }
$pipe = @(Get-ChildItem -LiteralPath '\\.\pipe\' -ErrorAction SilentlyContinue | Where-Object { $_.Name -eq 'docker_engine' }).Count -gt 0
@{ present = $true; text = $said.out; error = $said.err; code = $said.code; pipe = $pipe }
