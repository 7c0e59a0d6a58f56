#!/usr/bin/env pwsh
# Builds, tests, and runs the main job: the same commands as in README.md. All set-up happens inside the build.
# Without PowerShell on the machine: dotnet tool restore; dotnet pwsh build.ps1
param([switch]$NoTest, [string]$Output = 'out/clipart')
$ErrorActionPreference = 'Stop'
Set-Location $PSScriptRoot
dotnet build -c Release; if ($LASTEXITCODE) { exit $LASTEXITCODE }
if (-not $NoTest) { dotnet test -c Release --no-build; if ($LASTEXITCODE) { exit $LASTEXITCODE } }
dotnet run -c Release --no-build --project src/MlNetTransfer.Cli -- train data-samples/clipart --output $Output
exit $LASTEXITCODE
