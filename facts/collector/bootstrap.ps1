# Started by -EncodedCommand; reads the rest from standard input (docs/collector.md).
# Up to the language test only cmdlets: Constrained Language Mode refuses .NET.
begin {
    $ErrorActionPreference = 'Stop'
    $ProgressPreference = 'SilentlyContinue'
    # Whatever else the session offers, the answer leaves in UTF-8.
    chcp.com 65001 | Out-Null
    $kwLines = @()
}
# The host hands lines over as they come only to a process block, and only where the text names $input. At the marker
# line all is there, and nobody waits for the end of standard input: not every way in can close it.
process {
    foreach ($kwLine in $input) {
        if ($kwLine -ne '#end') { $kwLines += $kwLine; continue }
        $kwLanguage = [string]$ExecutionContext.SessionState.LanguageMode
        # Mandatory labels of a high or system token; SIDs are the same in every language.
        $kwElevated = [bool](@(whoami.exe /groups) -match 'S-1-16-(12288|16384)')
        # 'o' is the one format that no culture's calendar or separators change; DateTime may be called in every mode.
        $kwNow = (Get-Date).ToUniversalTime().ToString('o')
        $kwHello = @{ language = $kwLanguage; elevated = $kwElevated; version = [string]$PSVersionTable.PSVersion; now = $kwNow }
        '~kw hello ' + (ConvertTo-Json -InputObject $kwHello -Compress)
        $kwSplit = 0..($kwLines.Count - 1) | Where-Object { $kwLines[$_] -eq '#payload' } | Select-Object -First 1
        if ($kwLanguage -ne 'FullLanguage') {
            Invoke-Expression ($kwLines[0..($kwSplit - 1)] -join "`n")
            exit 0
        }
        try {
            $kwBytes = [Convert]::FromBase64String(-join $kwLines[($kwSplit + 1)..($kwLines.Count - 1)])
            $kwStream = New-Object IO.Compression.GZipStream (New-Object IO.MemoryStream (, $kwBytes)), ([IO.Compression.CompressionMode]::Decompress)
            $kwText = (New-Object IO.StreamReader $kwStream, ([Text.Encoding]::UTF8)).ReadToEnd()
            $kwPayload = ConvertFrom-Json $kwText
            . ([ScriptBlock]::Create($kwPayload.collector))
        } catch {
            # Said on standard output, where the reader keeps what is not an answer and shows it.
            [Console]::Out.WriteLine([string]$_)
            [Environment]::Exit(1)
        }
        # A question that hangs must not keep the process, nor standard input that nobody closes.
        [Environment]::Exit(0)
    }
}
end { 'Standard input ended before its last line.' }
