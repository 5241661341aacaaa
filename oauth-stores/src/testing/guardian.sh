# Ends the servers of a folder and removes it, once nobody has held its lock `users` for some seconds.
#   guardian FOLDER SECONDS      waits for that
#   guardian --end FOLDER        ends the servers at once, and leaves the folder

# Asks each server to stop, waits up to five seconds, then kills. A process that does not work inside the folder is another's,
# which has the number by now.
end() {
    for signal in INT KILL; do
        round=0
        while [ $round -lt 50 ]; do
            left=
            while read -r pid; do
                case $(readlink "/proc/$pid/cwd" 2>/dev/null) in
                    "$folder" | "$folder"/* | "$folder (deleted)")
                        left=yes
                        [ $round -gt 0 ] || kill -s $signal "$pid" 2>/dev/null
                        ;;
                esac
            done < "$folder/pids"
            [ -n "$left" ] || return
            sleep 0.1
            round=$((round + 1))
        done
    done
}

if [ "$1" = --end ]; then
    folder=$2
    [ ! -f "$folder/pids" ] || end
    exit
fi

folder=$1
seconds=$2
cd / || exit
exec 8>"$folder/guardian" 9<"$folder/users" || exit
# One guardian is enough.
flock --nonblock 8 || exit 0
while :; do
    # Sleeps until the last user is gone, whichever way it went. What runs meanwhile must not hold the guardian's own lock.
    flock --exclusive 9 8>&- || exit
    idle=0
    while [ $idle -lt "$seconds" ]; do
        # Between two tests there may be nobody for a moment.
        flock --unlock 9
        sleep 1 8>&- 9<&-
        flock --exclusive --nonblock 9 || continue 2
        idle=$((idle + 1))
    done
    # From here on the lock is ours: who comes waits, finds the folder gone, and makes another.
    [ "$folder/users" -ef /proc/self/fd/9 ] || exit 0
    [ ! -f "$folder/pids" ] || end
    # Out of the way first: to remove all files takes a while, and who comes need not wait for that.
    mv "$folder" "$folder.ended.$$" || exit
    exec 9<&-
    rm -rf "$folder.ended.$$"
    exit 0
done
