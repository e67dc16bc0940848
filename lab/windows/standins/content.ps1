# Reading and writing files of drive C. Default encodings of 5.1 (ANSI for Get-/Set-Content, UTF-16 for Out-File,
# a byte order mark with -Encoding UTF8):
# https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_character_encoding?view=powershell-5.1

function Get-LabEncoding([string]$name, [string]$default) {
    switch ($(if ($name) { $name } else { $default })) {
        'UTF8' { [Text.UTF8Encoding]::new($true) }
        { $_ -in 'Unicode', 'UTF16LE' } { [Text.UnicodeEncoding]::new($false, $true) }
        'BigEndianUnicode' { [Text.UnicodeEncoding]::new($true, $true) }
        'ASCII' { [Text.Encoding]::ASCII }
        default { [Text.Encoding]::Latin1 }
    }
}

function Get-Content {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string[]]$Path, [Alias('PSPath')][Parameter(ValueFromPipelineByPropertyName)][string[]]$LiteralPath, [switch]$Raw, [long]$TotalCount = -1, [int]$Tail = -1, [string]$Encoding, [string]$Stream, [switch]$Force)
    process {
        Wait-LabHang Get-Content
        $given = if ($LiteralPath) { $LiteralPath } else { $Path }
        foreach ($one in $given) {
            if ((Get-LabPathKind $one) -ne 'file') { Microsoft.PowerShell.Management\Get-Content @PSBoundParameters; continue }
            $files = @(Get-Item -LiteralPath $one -ErrorAction SilentlyContinue)
            if (-not $LiteralPath -and $one -match '[*?]') { $files = @(Get-ChildItem -Path $one -File) }
            elseif ($files.Count -eq 0) { $PSCmdlet.WriteError((New-LabNotFound $one 'GetContent')); continue }
            foreach ($file in $files) {
                if ($Stream -eq 'Zone.Identifier') {
                    if (@(Get-Item -LiteralPath $file.FullName -Stream Zone.Identifier -ErrorAction SilentlyContinue).Count) { '[ZoneTransfer]'; 'ZoneId=3' }
                    else { $PSCmdlet.WriteError((New-LabError 'GetContentReaderFileNotFoundError,Microsoft.PowerShell.Commands.GetContentCommand' "Could not open the alternate data stream '$Stream' of the file '$one'." 'System.IO.FileNotFoundException' 'ObjectNotFound' $one)) }
                    continue
                }
                $bytes = [IO.File]::ReadAllBytes((Resolve-LabPath $file.FullName))
                $reader = [IO.StreamReader]::new([IO.MemoryStream]::new($bytes), (Get-LabEncoding $Encoding 'Default'), $true)
                $text = $reader.ReadToEnd()
                $lines = @(if ($Raw) { if ($text.Length) { $text } } else { if ($text.Length) { $text -replace '\r?\n$', '' -split '\r?\n' } })
                if ($Tail -ge 0) { $lines = @($lines | Select-Object -Last $Tail) } elseif ($TotalCount -ge 0) { $lines = @($lines | Select-Object -First $TotalCount) }
                $number = 0
                foreach ($line in $lines) {
                    $number++
                    $noted = [psobject]::AsPSObject($line)
                    foreach ($pair in ('PSPath', "Microsoft.PowerShell.Core\FileSystem::$($file.FullName)"), ('PSParentPath', $file.PSParentPath), ('PSChildName', $file.Name), ('PSDrive', 'C'), ('PSProvider', 'Microsoft.PowerShell.Core\FileSystem'), ('ReadCount', [long]$number)) {
                        $noted.PSObject.Properties.Add([psnoteproperty]::new($pair[0], $pair[1]))
                    }
                    $noted
                }
            }
        }
    }
}

function Write-LabFile([string]$path, [string]$text, [Text.Encoding]$encoding, [bool]$append) {
    $real = Resolve-LabPath $path
    if (-not [IO.Directory]::Exists([IO.Path]::GetDirectoryName($real))) {
        throw [Management.Automation.ErrorRecord]::new([IO.DirectoryNotFoundException]::new("Could not find a part of the path '$path'."), 'GetContentWriterDirectoryNotFoundError', 'ObjectNotFound', $path)
    }
    if ($append -and [IO.File]::Exists($real)) { [IO.File]::AppendAllText($real, $text, $encoding) } else { [IO.File]::WriteAllText($real, $text, $encoding) }
    Add-LabLink $real
}

function Set-Content {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0)][string]$Path, [string]$LiteralPath, [Parameter(Position = 1, ValueFromPipeline)][object[]]$Value, [string]$Encoding, [switch]$NoNewline, [switch]$Force)
    begin { $all = [Collections.Generic.List[object]]::new() }
    process { foreach ($v in $Value) { $all.Add($v) } }
    end {
        $one = if ($LiteralPath) { $LiteralPath } else { $Path }
        $end = if ($NoNewline) { '' } else { "`r`n" }
        if ((Get-LabPathKind $one) -ne 'file') { Microsoft.PowerShell.Management\Set-Content -LiteralPath $one -Value $all; return }
        Write-LabFile $one (-join @($all | ForEach-Object { [string]$_ + $end })) (Get-LabEncoding $Encoding 'Default') $false
    }
}

function Add-Content {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0)][string]$Path, [string]$LiteralPath, [Parameter(Position = 1, ValueFromPipeline)][object[]]$Value, [string]$Encoding, [switch]$NoNewline, [switch]$Force)
    process {
        $one = if ($LiteralPath) { $LiteralPath } else { $Path }
        $end = if ($NoNewline) { '' } else { "`r`n" }
        if ((Get-LabPathKind $one) -ne 'file') { Microsoft.PowerShell.Management\Add-Content -LiteralPath $one -Value $Value; return }
        Write-LabFile $one (-join @($Value | ForEach-Object { [string]$_ + $end })) (Get-LabEncoding $Encoding 'Default') $true
    }
}

function Out-File {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0)][string]$FilePath, [string]$LiteralPath, [Parameter(Position = 1)][string]$Encoding, [switch]$Append, [switch]$Force, [switch]$NoNewline, [Parameter(ValueFromPipeline)]$InputObject)
    begin { $all = [Collections.Generic.List[object]]::new() }
    process { $all.Add($InputObject) }
    end {
        $one = if ($LiteralPath) { $LiteralPath } else { $FilePath }
        $text = (@($all | Out-String -Stream) -join "`r`n") + $(if ($NoNewline) { '' } else { "`r`n" })
        if ((Get-LabPathKind $one) -ne 'file') { $all | Microsoft.PowerShell.Utility\Out-File -LiteralPath $one; return }
        Write-LabFile $one $text (Get-LabEncoding $Encoding 'Unicode') $Append.IsPresent
    }
}

function New-Item {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0)][string[]]$Path, [string]$Name, [Alias('Type')][string]$ItemType, $Value, [switch]$Force)
    foreach ($one in $Path) {
        if ($Name) { $one = "$one\$Name" }
        switch (Get-LabPathKind $one) {
            'registry' { Set-LabRegistryValue $one '' $null; New-LabRegistryKey (ConvertTo-LabRegistryPath $one) }
            'file' {
                $real = Resolve-LabPath $one
                if ([IO.Path]::Exists($real) -and -not $Force) {
                    $PSCmdlet.WriteError((New-LabError $(if ($ItemType -eq 'Directory') { 'DirectoryExist,Microsoft.PowerShell.Commands.NewItemCommand' } else { 'NewItemIOError,Microsoft.PowerShell.Commands.NewItemCommand' }) "An item with the specified name $one already exists." 'System.IO.IOException' 'ResourceExists' $one)); continue
                }
                if ($ItemType -eq 'Directory') { [void][IO.Directory]::CreateDirectory($real); Add-LabLink $real }
                else {
                    if ($Force) { [void][IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($real)) }
                    Write-LabFile $one ([string]$Value) ([Text.UTF8Encoding]::new($false)) $false
                }
                Get-Item -LiteralPath $one
            }
            default { Microsoft.PowerShell.Management\New-Item @PSBoundParameters }
        }
    }
}

function Remove-Item {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0, ValueFromPipeline)][string[]]$Path, [Alias('PSPath')][Parameter(ValueFromPipelineByPropertyName)][string[]]$LiteralPath, [switch]$Recurse, [switch]$Force, [string]$Stream)
    process {
        $given = if ($LiteralPath) { $LiteralPath } else { $Path }
        foreach ($one in $given) {
            switch (Get-LabPathKind $one) {
                'registry' { if ($null -eq (Get-LabRegistryKey $one)) { $PSCmdlet.WriteError((New-LabNotFound $one 'RemoveItem')) } else { Remove-LabRegistry $one '' $true } }
                'file' {
                    $real = Resolve-LabPath $one
                    if ($Stream) { Unblock-File -LiteralPath $one; continue }
                    if ($LiteralPath -and -not [IO.Path]::Exists($real)) { $PSCmdlet.WriteError((New-LabNotFound $one 'RemoveItem')); continue }
                    foreach ($item in @(if ($LiteralPath) { Microsoft.PowerShell.Management\Get-Item -LiteralPath $real -Force } else { Microsoft.PowerShell.Management\Get-Item -Path $real -Force })) { Microsoft.PowerShell.Management\Remove-Item -LiteralPath $item.FullName -Recurse:$Recurse -Force }
                }
                default { Microsoft.PowerShell.Management\Remove-Item @PSBoundParameters }
            }
        }
    }
}

function Copy-Item {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0)][string]$Path, [string]$LiteralPath, [Parameter(Position = 1)][string]$Destination, [switch]$Recurse, [switch]$Force)
    $one = if ($LiteralPath) { $LiteralPath } else { $Path }
    if ((Get-LabPathKind $one) -ne 'file') { Microsoft.PowerShell.Management\Copy-Item @PSBoundParameters; return }
    $real = Resolve-LabPath $one
    if (-not [IO.Path]::Exists($real) -and $one -notmatch '[*?]') { $PSCmdlet.WriteError((New-LabNotFound $one 'CopyItem')); return }
    $to = Resolve-LabPath $Destination
    Microsoft.PowerShell.Management\Copy-Item -Path $real -Destination $to -Recurse:$Recurse -Force
    if ([IO.File]::Exists($to)) { Add-LabLink $to }
}

function Move-Item {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0)][string]$Path, [string]$LiteralPath, [Parameter(Position = 1)][string]$Destination, [switch]$Force)
    $one = if ($LiteralPath) { $LiteralPath } else { $Path }
    if ((Get-LabPathKind $one) -ne 'file') { Microsoft.PowerShell.Management\Move-Item @PSBoundParameters; return }
    $real = Resolve-LabPath $one
    if (-not [IO.Path]::Exists($real)) { $PSCmdlet.WriteError((New-LabNotFound $one 'MoveItem')); return }
    $to = Resolve-LabPath $Destination
    Microsoft.PowerShell.Management\Move-Item -LiteralPath $real -Destination $to -Force
    if ([IO.File]::Exists($to)) { Add-LabLink $to }
}

function Unblock-File {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0)][string[]]$Path, [Alias('PSPath')][Parameter(ValueFromPipelineByPropertyName)][string[]]$LiteralPath)
    process {
        $given = if ($LiteralPath) { $LiteralPath } else { $Path }
        foreach ($one in $given) {
            $full = ConvertTo-LabWindowsPath (Resolve-LabPath $one)
            Edit-LabState files { param($f) if ($f.Contains($full)) { $f[$full].zone = $false } }
        }
    }
}
