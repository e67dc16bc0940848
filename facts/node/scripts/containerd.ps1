$found = Get-Containerd
$text = Read-Text $found.config
$version = ''
if ($found.program) { $version = Read-Native $found.program '--version' }
$own = @([regex]::Matches([string]$text, 'pipe[\\/]+([\w.-]+)') | ForEach-Object { $_.Groups[1].Value })
$pipes = @(Find-Pipe (@('containerd-containerd', 'docker_engine') + $own) | Where-Object { $_ -match 'containerd|docker|csi-proxy|hcs' })
$panic = [string](Read-Text 'C:\ProgramData\containerd\root\panic.log' 8192)
@{
    present = $found.present; program = $found.program; version = $version; config_path = $found.config; config_exists = ($null -ne $text); config = (Hide-Secrets ([string]$text))
    pipes = $pipes; panic_log = (Hide-Secrets $panic)
}
