# Who owns a file or folder and who may do what with it. What Get-Acl gives, and what a protected folder of
# C:\ProgramData looks like: https://github.com/puppetlabs/puppet/pull/6892 (Get-Acl .\Foobar | select *)
# What a folder made there without precaution inherits, Users' right to make files among it:
# https://github.com/aws/amazon-cloudwatch-agent/blob/83eb0f561806e13f5e1611ae7bf5a59959590486/integration/msi/tools/permission.ps1
# Creating with rights: https://learn.microsoft.com/dotnet/api/system.io.directoryinfo.create?view=netframework-4.7.2
# and https://learn.microsoft.com/dotnet/api/system.io.filestream.-ctor?view=netframework-4.7.2

# The security descriptor of a real path, in SDDL.
function Get-LabSddl([string]$real) {
    $acls = Get-LabState acls
    $path = ConvertTo-LabWindowsPath $real
    if ($acls.Contains($path)) { return $acls[$path] }
    $folder = [IO.Directory]::Exists($real)
    $above = ConvertTo-LabWindowsPath ([IO.Path]::GetDirectoryName($real))
    if ($acls.Contains($above)) {
        $handed = foreach ($ace in [regex]::Matches($acls[$above], '\((A|D);(OICI);([^;]+);;;([^)]+)\)')) {
            $g = $ace.Groups
            "($($g[1].Value);$(if ($folder) { 'OICIID' } else { 'ID' });$($g[3].Value);;;$($g[4].Value))"
        }
        return "O:BAG:SYD:AI$(-join $handed)"
    }
    if ($folder) { return 'O:BAG:SYD:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIIOID;GA;;;CO)(A;OICIID;0x1200a9;;;BU)(A;CIID;DCLCRPCR;;;BU)' }
    'O:BAG:SYD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;0x1200a9;;;BU)'
}

function Set-LabSddl([string]$real, [string]$sddl) {
    $path = ConvertTo-LabWindowsPath $real
    Edit-LabState acls { param($all) $all[$path] = $sddl }
}

function Get-Acl {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string[]]$Path, [Alias('PSPath')][Parameter(ValueFromPipelineByPropertyName)][string[]]$LiteralPath)
    process {
        Wait-LabHang Get-Acl
        $given = if ($LiteralPath) { $LiteralPath } else { $Path }
        foreach ($one in $given) {
            $real = Resolve-LabPath $one
            if (-not [IO.Path]::Exists($real)) { $PSCmdlet.WriteError((New-LabNotFound $one 'GetAcl')); continue }
            $full = ConvertTo-LabWindowsPath $real
            $sddl = Get-LabSddl $real
            $names = @{ BA = 'BUILTIN\Administrators'; SY = 'NT AUTHORITY\SYSTEM' }
            $owner = if ($sddl -match '^O:(.+?)G:') { $Matches[1] }
            $kind = if ([IO.Directory]::Exists($real)) { 'Directory' } else { 'File' }
            New-LabObject "System.Security.AccessControl.${kind}Security" ([ordered]@{
                    PSPath = "Microsoft.PowerShell.Core\FileSystem::$full"; PSChildName = [IO.Path]::GetFileName($real)
                    Path = "Microsoft.PowerShell.Core\FileSystem::$full"; Owner = $(if ($names.Contains([string]$owner)) { $names[$owner] } else { "O:$owner" })
                    Sddl = $sddl; AreAccessRulesProtected = $sddl -cmatch 'D:[A-Z]*P'
                })
        }
    }
}

function New-LabSecurity([string]$type) {
    $security = New-LabObject "System.$($type -replace '^System\.')" ([ordered]@{ Sddl = '' })
    $security.PSObject.Methods.Add([psscriptmethod]::new('SetSecurityDescriptorSddlForm', { param($sddl) $this.Sddl = $sddl }))
    $security
}

# Create(security) leaves a folder that is there as it is. A folder without files is nothing the machine knows of: it
# is left over from before the machine was set back.
function New-LabDirectoryInfo([string]$path) {
    $folder = New-LabObject 'System.IO.DirectoryInfo' ([ordered]@{ FullName = $path })
    $folder.PSObject.Methods.Add([psscriptmethod]::new('Create', {
                param($security)
                $real = Resolve-LabPath $this.FullName
                if ([IO.File]::Exists($real)) { throw [IO.IOException]::new("Cannot create `"$($this.FullName)`" because a file or directory with the same name already exists.") }
                $known = (Get-LabState acls).Contains((ConvertTo-LabWindowsPath $real))
                if ($known -or ([IO.Directory]::Exists($real) -and [IO.Directory]::GetFileSystemEntries($real).Count)) { return }
                [void][IO.Directory]::CreateDirectory($real)
                Add-LabLink $real
                Set-LabSddl $real $security.Sddl
            }))
    $folder
}

# new FileStream(path, mode, rights, share, size, options, security) of .NET Framework.
function New-LabSecuredFile([object[]]$given) {
    $real = Resolve-LabPath $given[0]
    $file = [IO.FileStream]::new($real, [IO.FileMode]$given[1], [IO.FileAccess]$given[2], [IO.FileShare]$given[3], [int]$given[4], [IO.FileOptions]$given[5])
    Add-LabLink $real
    Set-LabSddl $real $given[6].Sddl
    $file
}
