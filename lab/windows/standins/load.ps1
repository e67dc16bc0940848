# Loads the stand-ins into the session, then makes the session what the machine's policy makes it.
foreach ($file in [IO.Directory]::GetFiles($PSScriptRoot, '*.ps1')) {
    if ([IO.Path]::GetFileName($file) -ne 'load.ps1') { . $file }
}
Initialize-LabEnums
Initialize-LabNatives
$lab = Get-LabState os
$PSVersionTable['PSVersion'] = [version]"5.1.$($lab.build).$($lab.ubr)"
$PSVersionTable['PSEdition'] = 'Desktop'
$PSVersionTable['BuildVersion'] = [version]"10.0.$($lab.build).$($lab.ubr)"
$PSVersionTable['CLRVersion'] = [version]'4.0.30319.42000'
Remove-Variable -Name file
$env:KWINNOW_LAB_LANGUAGE = $lab.language_mode
if ($env:KWINNOW_LAB_TRACE_TO) { $env:KWINNOW_LAB_TRACE = $env:KWINNOW_LAB_TRACE_TO }
if ($lab.language_mode -ne 'FullLanguage') {
    $ExecutionContext.SessionState.LanguageMode = $lab.language_mode
}
