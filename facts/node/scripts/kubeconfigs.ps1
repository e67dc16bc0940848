# Kubeconfigs leave as YAML of which only known keys are kept. Certificates are replaced by what they say; keys, tokens
# and whatever is not known stay here.
$known = 'apiVersion|kind|clusters|cluster|server|certificate-authority|name|contexts|context|user|namespace|users|client-certificate|client-key|current-context|insecure-skip-tls-verify|tls-server-name|proxy-url|tokenFile'
$script:inline = New-Object Collections.ArrayList
function Format-Data([string]$data) {
    $pem = ''
    try { $pem = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($data)) } catch { [void]$_ }
    $one = $null
    try { $one = Read-Certificate $pem } catch { [void]$_ }
    [void]$script:inline.Add($one)
    "kw-certificate-$($script:inline.Count - 1)"
}
function Format-Kubeconfig([string]$text) {
    $skip = -1
    $kept = foreach ($line in $text -split '\r?\n') {
        if ($line -notmatch '^(?<lead>\s*(?:- +)*)(?<key>[\w.-]+)\s*:(?<value>.*)$') { continue }
        $lead, $key, $value = $Matches.lead, $Matches.key, $Matches.value.Trim()
        if ($skip -ge 0) {
            if ($lead.Length -gt $skip) { continue }
            $skip = -1
        }
        if ($key -match '^(certificate-authority-data|client-certificate-data)$') { "$lead${key}: " + (Format-Data $value.Trim('"', "'")) }
        elseif ($key -match '^(token|password|username|exec|auth-provider)$') { "$lead${key}: kw-hidden"; $skip = $lead.Length }
        elseif ($key -match "^($known)$" -and $value -notmatch '^[|>]') { "$lead${key}: " + (Hide-Secrets $value) }
        else { $skip = $lead.Length; if ($lead -match '-') { "${lead}kw-dropped: true" } }
    }
    @($kept) -join "`n"
}
$process = Get-HostProcess 'kubelet.exe' | Select-Object -First 1
$paths = @('C:\etc\kubernetes\kubelet.conf', 'C:\etc\kubernetes\bootstrap-kubelet.conf', 'C:\k\config', 'C:\k\bootstrap-config', 'C:\var\lib\rancher\rke2\agent\kubelet.kubeconfig', 'C:\var\lib\kubelet\kubeconfig')
$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='kubelet'" | Select-Object -First 1
$nssm = Read-Nssm 'kubelet'
$script = (Read-StartScript $nssm).text -replace '(?m)^\s*#.*$'
$told = ''
foreach ($line in $process.CommandLine, $service.PathName, $nssm.parameters, $script) {
    $one = Format-Path (Get-Argument $line 'kubeconfig')
    # A variable, or a folder that only the kubelet has, cannot be followed.
    if (-not $told -and $one -match '^[A-Za-z]:\\[^$%]*$') { $told = $one }
}
if ($told) { $paths += $told }
$seen = @{}
$list = foreach ($path in $paths) {
    if ($seen.ContainsKey($path.ToLowerInvariant())) { continue }
    $seen[$path.ToLowerInvariant()] = $true
    $bytes = Read-Bytes $path
    if ($null -eq $bytes) { continue }
    $script:inline.Clear()
    $text = Format-Text $bytes
    $json = $text.TrimStart().StartsWith('{')
    $plain = ''
    if (-not $json) { $plain = Format-Kubeconfig $text }
    $files = @{}
    foreach ($match in [regex]::Matches($plain, '(?m)^\s*(?:- +)*(?:client-certificate|certificate-authority):\s*(.+?)\s*$')) {
        $name = $match.Groups[1].Value.Trim('"', "'")
        $where = $name -replace '/', '\'
        if ($where -like '\*') { $where = "C:$where" } elseif ($where -notmatch '^[A-Za-z]:') { $where = $path.Substring(0, $path.LastIndexOf('\') + 1) + $where }
        $pem = $null
        try { $pem = Read-Text $where; if ($null -ne $pem) { $files[$name] = Read-Certificate $pem } } catch { $files[$name] = $null }
    }
    @{ path = $path; bom = (Read-Bom $bytes); json = $json; text = $plain; inline = @($script:inline.ToArray()); files = $files }
}
$certificates = foreach ($folder in 'C:\var\lib\kubelet\pki', 'C:\k\ssl_keys', 'C:\etc\kubernetes\pki') {
    if (-not (Test-Path -LiteralPath $folder -PathType Container)) { continue }
    foreach ($file in Get-ChildItem -LiteralPath $folder -File) {
        if ($file.Name -notmatch '\.(pem|crt)$') { continue }
        $one = $null
        try { $one = Read-Certificate (Read-Text $file.FullName) } catch { [void]$_ }
        if ($one) { @{ path = [string]$file.FullName; certificate = $one } }
    }
}
@{ told = $told; kubeconfigs = @($list | Where-Object { $_ }); certificates = @($certificates | Where-Object { $_ }) }
