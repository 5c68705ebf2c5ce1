# Completes `cargo xtask ...`.
# In ~/.config/fish/config.fish:  cargo xtask completions fish | source
function __xtask_words
    set -l words (commandline -opc) (commandline -ct)
    set -l folder $PWD
    while test -n "$folder"; and not test -x $folder/target/debug/xtask
        set folder (string replace -r '/[^/]*$' '' -- $folder)
    end
    test -n "$folder"; and $folder/target/debug/xtask complete -- $words[3..-1] 2>/dev/null
end
complete -c cargo -n '__fish_seen_subcommand_from xtask' -f -a '(__xtask_words)'
