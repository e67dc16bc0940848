# The item cmdlets on registry paths, on drive C and on pipes; anything else goes to the real cmdlet.
# Shapes: https://learn.microsoft.com/powershell/module/microsoft.powershell.management/get-item?view=powershell-5.1
# Alternate streams: https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_filesystem_provider?view=powershell-5.1

function Test-Path {
    [CmdletBinding()]
    param([Parameter(Position = 0, ValueFromPipeline)][AllowNull()][AllowEmptyString()][string[]]$Path, [Alias('PSPath')][Parameter(ValueFromPipelineByPropertyName)][string[]]$LiteralPath, [ValidateSet('Any', 'Container', 'Leaf')][string]$PathType = 'Any')
    process {
        Wait-LabHang Test-Path
        $given = if ($LiteralPath) { $LiteralPath } else { $Path }
        foreach ($one in $given) {
            switch (Get-LabPathKind $one) {
                'registry' { $null -ne (Get-LabRegistryKey $one) -and $PathType -ne 'Leaf' }
                'pipe' { $name = $one.Substring([Math]::Min($one.Length, 9)); @(Get-LabState pipes) -contains $name }
                'file' {
                    $real = Resolve-LabPath $one
                    if (-not $LiteralPath -and $one -match '[*?\[]') { [bool]@(Microsoft.PowerShell.Management\Get-Item -Path $real -Force -ErrorAction SilentlyContinue).Count }
                    elseif ($PathType -eq 'Leaf') { [IO.File]::Exists($real) }
                    elseif ($PathType -eq 'Container') { [IO.Directory]::Exists($real) }
                    else { [IO.Path]::Exists($real) }
                }
                default { Microsoft.PowerShell.Management\Test-Path @PSBoundParameters }
            }
        }
    }
}

function Get-Item {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string[]]$Path, [Alias('PSPath')][Parameter(ValueFromPipelineByPropertyName)][string[]]$LiteralPath, [string[]]$Stream, [switch]$Force)
    process {
        Wait-LabHang Get-Item
        $given = if ($LiteralPath) { $LiteralPath } else { $Path }
        foreach ($one in $given) {
            switch (Get-LabPathKind $one) {
                'registry' {
                    if ($null -eq (Get-LabRegistryKey $one)) { $PSCmdlet.WriteError((New-LabNotFound $one 'GetItem')) }
                    else { New-LabRegistryKey (ConvertTo-LabRegistryPath $one) }
                }
                'file' {
                    $real = Resolve-LabPath $one
                    $found = @(if ($LiteralPath) { if ([IO.Path]::Exists($real)) { Microsoft.PowerShell.Management\Get-Item -LiteralPath $real -Force } } else { Microsoft.PowerShell.Management\Get-Item -Path $real -Force -ErrorAction SilentlyContinue })
                    if ($found.Count -eq 0 -and ($LiteralPath -or $one -notmatch '[*?]')) { $PSCmdlet.WriteError((New-LabNotFound $one 'GetItem')); continue }
                    $notes = Get-LabState files
                    foreach ($item in $found) {
                        $full = ConvertTo-LabWindowsPath $item.FullName
                        if (-not $Stream) { Add-LabFileNotes $item $notes; continue }
                        $streams = @([pscustomobject][ordered]@{ PSPath = "Microsoft.PowerShell.Core\FileSystem::${full}::`$DATA"; FileName = $full; Stream = ':$DATA'; Length = [long]$item.Length })
                        if ($notes.Contains($full) -and $notes[$full].zone) { $streams += [pscustomobject][ordered]@{ PSPath = "Microsoft.PowerShell.Core\FileSystem::${full}:Zone.Identifier"; FileName = $full; Stream = 'Zone.Identifier'; Length = [long]26 } }
                        $wanted = @($streams | Where-Object { $s = $_.Stream; @($Stream | Where-Object { $s -like $_ -or ":$s" -like $_ }).Count })
                        if ($wanted.Count) { $wanted }
                        else { $PSCmdlet.WriteError((New-LabError 'AlternateDataStreamNotFound,Microsoft.PowerShell.Commands.GetItemCommand' "Could not open the alternate data stream '$Stream' of the file '$full'." 'System.IO.FileNotFoundException' 'ObjectNotFound' $full)) }
                    }
                }
                'pipe' { Get-ChildItem -LiteralPath '\\.\pipe\' | Where-Object FullName -EQ $one }
                default { Microsoft.PowerShell.Management\Get-Item @PSBoundParameters }
            }
        }
    }
}

function Get-ChildItem {
    [CmdletBinding()]
    param([Parameter(Position = 0, ValueFromPipeline)][string[]]$Path, [Parameter(Position = 1)][string]$Filter, [Alias('PSPath')][Parameter(ValueFromPipelineByPropertyName)][string[]]$LiteralPath, [string[]]$Include, [switch]$Recurse, [switch]$Force, [switch]$File, [switch]$Directory, [switch]$Name)
    process {
        Wait-LabHang Get-ChildItem
        $given = if ($LiteralPath) { $LiteralPath } elseif ($Path) { $Path } else { '.' }
        foreach ($one in $given) {
            switch (Get-LabPathKind $one) {
                'registry' {
                    if ($null -eq (Get-LabRegistryKey $one)) { $PSCmdlet.WriteError((New-LabNotFound $one 'GetChildItem')); continue }
                    foreach ($key in Get-LabSubkeys (ConvertTo-LabRegistryPath $one)) { if ($Name) { $key.Split('\')[-1] } else { New-LabRegistryKey $key } }
                }
                'pipe' {
                    foreach ($pipe in Get-LabState pipes) {
                        if ($Name) { $pipe } else { [pscustomobject][ordered]@{ Name = $pipe; FullName = "\\.\pipe\$pipe"; Length = 1; Exists = $true } }
                    }
                }
                'file' {
                    $real = Resolve-LabPath $one
                    if (-not [IO.Path]::Exists($real) -and ($LiteralPath -or $one -notmatch '[*?]')) { $PSCmdlet.WriteError((New-LabNotFound $one 'GetChildItem')); continue }
                    $more = @{ Force = $true; ErrorAction = 'SilentlyContinue' }
                    foreach ($key in 'Filter', 'Include', 'Recurse', 'File', 'Directory') { if ($PSBoundParameters.ContainsKey($key)) { $more[$key] = $PSBoundParameters[$key] } }
                    $found = if ($LiteralPath) { Microsoft.PowerShell.Management\Get-ChildItem -LiteralPath $real @more } else { Microsoft.PowerShell.Management\Get-ChildItem -Path $real @more }
                    $notes = Get-LabState files
                    foreach ($item in $found) { if ($Name) { $item.Name } else { Add-LabFileNotes $item $notes } }
                }
                default { Microsoft.PowerShell.Management\Get-ChildItem @PSBoundParameters }
            }
        }
    }
}

function Get-ItemProperty {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string[]]$Path, [Alias('PSPath')][Parameter(ValueFromPipelineByPropertyName)][string[]]$LiteralPath, [Parameter(Position = 1)][string[]]$Name)
    process {
        Wait-LabHang Get-ItemProperty
        $given = if ($LiteralPath) { $LiteralPath } else { $Path }
        foreach ($one in $given) {
            $kind = Get-LabPathKind $one
            if ($kind -eq 'file') { Get-Item -LiteralPath $one; continue }
            if ($kind -ne 'registry') { Microsoft.PowerShell.Management\Get-ItemProperty @PSBoundParameters; continue }
            $values = Get-LabRegistryKey $one
            if ($null -eq $values) { $PSCmdlet.WriteError((New-LabNotFound $one 'GetItemProperty')); continue }
            $table = [ordered]@{}
            $missing = $false
            foreach ($value in @($values.Keys)) { if (-not $Name -or @($Name | Where-Object { $value -like $_ }).Count) { $table[$value] = ConvertTo-LabRegistryValue $values[$value] } }
            foreach ($wanted in $Name) {
                if ($wanted -notmatch '[*?]' -and -not $values.Contains($wanted)) {
                    $missing = $true
                    $sentence = Get-LabSentence @{ 'en-US' = "Property $wanted does not exist at path $one."; 'de-DE' = "Die Eigenschaft `"$wanted`" ist unter dem Pfad `"$one`" nicht vorhanden."; 'zh-CN' = "路径 $one 中不存在属性 $wanted。" }
                    $PSCmdlet.WriteError((New-LabError 'System.Management.Automation.PSArgumentException,Microsoft.PowerShell.Commands.GetItemPropertyCommand' $sentence 'System.Management.Automation.PSArgumentException' 'InvalidArgument' $wanted))
                }
            }
            if ($missing -and $table.Count -eq 0) { continue }
            $full = (ConvertTo-LabRegistryPath $one) -replace '^HKLM:', 'HKEY_LOCAL_MACHINE' -replace '^HKCU:', 'HKEY_CURRENT_USER'
            $table.PSPath = "Microsoft.PowerShell.Core\Registry::$full"
            $table.PSParentPath = "Microsoft.PowerShell.Core\Registry::$($full.Substring(0, [Math]::Max(0, $full.LastIndexOf('\'))))"
            $table.PSChildName = $full.Split('\')[-1]
            $table.PSDrive = 'HKLM'
            $table.PSProvider = 'Microsoft.PowerShell.Core\Registry'
            [pscustomobject]$table
        }
    }
}

function Get-ItemPropertyValue {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string[]]$Path, [string[]]$LiteralPath, [Parameter(Position = 1, Mandatory)][string[]]$Name)
    $given = if ($LiteralPath) { $LiteralPath } else { $Path }
    foreach ($one in $given) {
        foreach ($item in Get-ItemProperty -LiteralPath $one -Name $Name) { foreach ($wanted in $Name) { if ($item.PSObject.Properties[$wanted]) { $item.$wanted } } }
    }
}

function Set-ItemProperty {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0)][string]$Path, [string]$LiteralPath, [Parameter(Position = 1)][string]$Name, [Parameter(Position = 2)]$Value, [string]$Type, [switch]$Force)
    $one = if ($LiteralPath) { $LiteralPath } else { $Path }
    if ((Get-LabPathKind $one) -ne 'registry') { Microsoft.PowerShell.Management\Set-ItemProperty @PSBoundParameters; return }
    if ($null -eq (Get-LabRegistryKey $one)) { $PSCmdlet.WriteError((New-LabNotFound $one 'SetItemProperty')); return }
    Set-LabRegistryValue $one $Name $Value
}

function New-ItemProperty {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0)][string]$Path, [string]$LiteralPath, [Parameter(Position = 1, Mandatory)][string]$Name, $Value, [Alias('Type')][string]$PropertyType, [switch]$Force)
    $one = if ($LiteralPath) { $LiteralPath } else { $Path }
    $key = Get-LabRegistryKey $one
    if ($null -eq $key) { $PSCmdlet.WriteError((New-LabNotFound $one 'NewItemProperty')); return }
    if ($key.Contains($Name) -and -not $Force) { $PSCmdlet.WriteError((New-LabError 'System.IO.IOException,Microsoft.PowerShell.Commands.NewItemPropertyCommand' 'The property already exists.' 'System.IO.IOException' 'WriteError' $one)); return }
    Set-LabRegistryValue $one $Name $Value
    Get-ItemProperty -LiteralPath $one -Name $Name
}

function Remove-ItemProperty {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0)][string]$Path, [string]$LiteralPath, [Parameter(Position = 1, Mandatory)][string[]]$Name, [switch]$Force)
    $one = if ($LiteralPath) { $LiteralPath } else { $Path }
    if ($null -eq (Get-LabRegistryKey $one)) { $PSCmdlet.WriteError((New-LabNotFound $one 'RemoveItemProperty')); return }
    foreach ($value in $Name) { Remove-LabRegistry $one $value $false }
}
