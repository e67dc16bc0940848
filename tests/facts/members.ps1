# What .NET a script touches: type literals, static members, methods that are called, types given to New-Object.
param([string[]]$paths)
foreach ($path in $paths) {
    $tokens = $null
    $errors = $null
    $tree = [Management.Automation.Language.Parser]::ParseFile($path, [ref]$tokens, [ref]$errors)
    $found = foreach ($node in $tree.FindAll({ $true }, $true)) {
        if ($node -is [Management.Automation.Language.InvokeMemberExpressionAst]) {
            if ($node.Static) { "[$($node.Expression.TypeName.FullName)]::$($node.Member.Value)" } else { ".$($node.Member.Value)()" }
        } elseif ($node -is [Management.Automation.Language.MemberExpressionAst]) {
            if ($node.Static) { "[$($node.Expression.TypeName.FullName)]::$($node.Member.Value)" }
        } elseif ($node -is [Management.Automation.Language.TypeExpressionAst] -or $node -is [Management.Automation.Language.TypeConstraintAst]) {
            "[$($node.TypeName.FullName)]"
        } elseif ($node -is [Management.Automation.Language.CommandAst] -and $node.GetCommandName() -eq 'New-Object') {
            "New-Object $($node.CommandElements[1].Extent.Text)"
        }
    }
    $commands = foreach ($node in $tree.FindAll({ $args[0] -is [Management.Automation.Language.CommandAst] }, $true)) { [string]$node.GetCommandName() }
    $own = foreach ($node in $tree.FindAll({ $args[0] -is [Management.Automation.Language.FunctionDefinitionAst] }, $true)) { [string]$node.Name }
    ConvertTo-Json -Compress -Depth 4 -InputObject @{ path = $path; members = @($found | Sort-Object -Unique); commands = @($commands | Sort-Object -Unique); functions = @($own) }
}
