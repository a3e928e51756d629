export const shells = ['bash', 'zsh', 'fish', 'powershell'] as const;
export type Shell = (typeof shells)[number];

/** Each asks the program itself, so that no script has to be made again when the commands change. */
export const completionScripts: Record<Shell, string> = {
  bash: `# bash completion for backstay. Load it now: source <(backstay completion bash)
_backstay() {
  local IFS=$'\\n' cur="\${COMP_WORDS[COMP_CWORD]}" line directive=4 at words=()
  # Bash takes --option=value for three words.
  for ((at = 1; at <= COMP_CWORD; at++)); do
    if [[ \${#words[@]} -gt 0 && ("\${COMP_WORDS[at]}" == "=" || "\${COMP_WORDS[at - 1]}" == "=") ]]; then
      words[\${#words[@]} - 1]+="\${COMP_WORDS[at]}"
    else
      words+=("\${COMP_WORDS[at]}")
    fi
  done
  [[ "$cur" != "=" ]] || cur=""
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :*) directive="\${line#:}" ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <("\${COMP_WORDS[0]}" __complete "\${words[@]}" 2>/dev/null)
  case "$directive" in
    0) COMPREPLY=($(compgen -f -- "$cur")) ;;
    16) COMPREPLY=($(compgen -d -- "$cur")) ;;
  esac
}
complete -o nosort -F _backstay backstay 2>/dev/null || complete -F _backstay backstay
`,
  zsh: `#compdef backstay
# zsh completion for backstay. Load it now: source <(backstay completion zsh)
_backstay() {
  local line directive=4 tab=$'\\t'
  local -a found
  [[ "\${words[CURRENT]}" != --*=* ]] || compset -P '--*='
  for line in "\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case "$line" in
      :*) directive="\${line#:}" ;;
      ?*) found+=("\${\${line//:/\\\\:}/$tab/:}") ;;
    esac
  done
  case "$directive" in
    0) _files ;;
    16) _files -/ ;;
    *) _describe 'backstay' found ;;
  esac
}
if [ "$funcstack[1]" = "_backstay" ]; then _backstay; else compdef _backstay backstay; fi
`,
  fish: `# fish completion for backstay. Load it now: backstay completion fish | source
function __backstay_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -l program $words[1]
  set -e words[1]
  for line in ($program __complete $words "$current" 2>/dev/null)
    switch $line
      case ':0'
        __fish_complete_path "$current"
      case ':16'
        __fish_complete_directories "$current"
      case ':*'
      case '*'
        echo $line
    end
  end
end
complete -c backstay -f -a '(__backstay_complete)'
`,
  powershell: `# PowerShell completion for backstay. Load it now: backstay completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName backstay -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
  # Before 7.3 an empty word was lost on the way to a program.
  if ($wordToComplete -eq '') { $words += $(if ($PSVersionTable.PSVersion -lt [version]'7.3') { '""' } else { '' }) }
  & $commandAst.CommandElements[0].Value __complete @words 2>$null | Where-Object { $_ -notmatch '^:' } | ForEach-Object {
    $word, $about = $_ -split "\`t", 2
    if (-not $about) { $about = $word }
    [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $about)
  }
}
`,
};
