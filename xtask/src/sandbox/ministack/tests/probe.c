/* The program of the tests' image: each command shows one thing that a container can do. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t got_sigterm = 0;

static void on_sigterm(int number) {
    (void)number;
    got_sigterm = 1;
}

static void allocate(long mebibytes) {
    for (long i = 0; i < mebibytes; i++) {
        char *memory = malloc(1024 * 1024);
        if (memory == NULL) exit(9);
        memset(memory, 1, 1024 * 1024);
    }
    printf("allocated %ld MiB\n", mebibytes);
}

/* The address that /etc/hosts has for a name; a static program cannot load a resolver. */
static int address_of(const char *name, struct in_addr *address) {
    char line[512];
    FILE *hosts = fopen("/etc/hosts", "r");
    while (hosts != NULL && fgets(line, sizeof line, hosts)) {
        char *text = strtok(line, " \t\n");
        char *host = text ? strtok(NULL, " \t\n") : NULL;
        if (host != NULL && strcmp(host, name) == 0) return inet_aton(text, address);
    }
    return inet_aton(name, address);
}

/* Prints the first line that an HTTP server answers. */
static int fetch(const char *url) {
    char host[256], answer[64] = "";
    int port;
    struct sockaddr_in peer = {.sin_family = AF_INET};
    if (sscanf(url, "http://%255[^:]:%d", host, &port) != 2) return 3;
    if (!address_of(host, &peer.sin_addr)) return 4;
    peer.sin_port = htons((unsigned short)port);
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, (struct sockaddr *)&peer, sizeof peer) != 0) return 5;
    if (dprintf(connection, "GET /_ministack/health HTTP/1.0\r\nHost: %s:%d\r\n\r\n", host, port) < 0)
        return 6;
    if (read(connection, answer, sizeof answer - 1) <= 0) return 7;
    strtok(answer, "\r");
    printf("%s\n", answer);
    return 0;
}

static struct sockaddr_in local_port(long port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* One line to whoever connects first, then the end. */
static int answer_on(long port) {
    struct sockaddr_in address = local_port(port);
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) return 3;
    if (listen(listener, 1) != 0) return 4;
    int peer = accept(listener, NULL, NULL);
    return write(peer, "hello from the sidecar", 22) == 22 ? 0 : 5;
}

static int ask(long port) {
    struct sockaddr_in address = local_port(port);
    char line[64] = "";
    for (int tries = 0; tries < 500; tries++) {
        int connection = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(connection, (struct sockaddr *)&address, sizeof address) == 0) {
            if (read(connection, line, sizeof line - 1) <= 0) return 3;
            printf("%s\n", line);
            return 0;
        }
        close(connection);
        usleep(20 * 1000);
    }
    return 4;
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    long number = argc > 2 ? strtol(argv[2], NULL, 10) : 0;

    if (strcmp(command, "exit") == 0) return (int)number;
    if (strcmp(command, "lines") == 0) {
        for (long i = 1; i <= number; i++) printf("line %ld\n", i);
        return 0;
    }
    if (strcmp(command, "mixed") == 0) {
        /* Both streams end without an end of line. */
        for (long i = 1; i <= number; i++) {
            fprintf(stdout, "out %ld%s", i, i < number ? "\n" : "");
            fprintf(stderr, "err %ld%s", i, i < number ? "\n" : "");
        }
        return 0;
    }
    if (strcmp(command, "long") == 0) {
        for (long i = 0; i < number; i++) putchar('a' + i % 26);
        printf("\nafter\n");
        return 0;
    }
    if (strcmp(command, "odd") == 0) {
        printf("first\n\n\nsecond\fstill second\xe2\x80\xa8still second\rstill second\n");
        return 0;
    }
    if (strcmp(command, "env") == 0) {
        const char *value = getenv(argv[2]);
        printf("%s=%s\n", argv[2], value ? value : "(unset)");
        return 0;
    }
    if (strcmp(command, "args") == 0) {
        for (int i = 2; i < argc; i++) printf("[%s]\n", argv[i]);
        return 0;
    }
    if (strcmp(command, "who") == 0) {
        char folder[4096];
        printf("uid %d gid %d cwd %s\n", getuid(), getgid(),
               getcwd(folder, sizeof folder) ? folder : "?");
        return 0;
    }
    if (strcmp(command, "fetch") == 0) return fetch(getenv("AWS_ENDPOINT_URL"));
    if (strcmp(command, "look") == 0) {
        DIR *folder = opendir(argv[2]);
        printf("pid %d\n", getpid());
        for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
            if (entry->d_name[0] != '.') printf("%s\n", entry->d_name);
        return 0;
    }
    if (strcmp(command, "touch") == 0)
        return open(argv[2], O_CREAT | O_EXCL | O_WRONLY, 0644) < 0 ? errno : 0;
    if (strcmp(command, "change") == 0) return open(argv[2], O_WRONLY) < 0 ? errno : 0;
    if (strcmp(command, "mode") == 0) return chmod(argv[2], 0666) == 0 ? 0 : errno;
    if (strcmp(command, "root") == 0) return chroot("/dev") == 0 ? 0 : errno;
    if (strcmp(command, "segfault") == 0) *(volatile int *)number = 1;
    if (strcmp(command, "abort") == 0) abort();
    if (strcmp(command, "answer") == 0) return answer_on(number);
    if (strcmp(command, "ask") == 0) return ask(number);
    if (strcmp(command, "orphan") == 0) {
        /* A child that leaves its session and its parent. */
        int ready[2];
        char pid[16] = "";
        if (pipe(ready) != 0) return 1;
        if (fork() == 0) {
            setsid();
            if (fork() != 0) _exit(0);
            snprintf(pid, sizeof pid, "%d", getpid());
            if (write(ready[1], pid, sizeof pid) < 0) _exit(1);
            for (;;) pause();
        }
        if (read(ready[0], pid, sizeof pid) <= 0) return 2;
        printf("%s\n", pid);
        return 0;
    }
    if (strcmp(command, "allocate") == 0) {
        allocate(number);
        return 0;
    }
    if (strcmp(command, "wait") == 0) {
        /* Runs until SIGTERM, says so and exits with the given code. */
        struct sigaction action = {.sa_handler = on_sigterm};
        sigaction(SIGTERM, &action, NULL);
        printf("waiting\n");
        fflush(stdout);
        while (!got_sigterm) pause();
        printf("got SIGTERM\n");
        return (int)number;
    }
    if (strcmp(command, "stubborn") == 0) {
        signal(SIGTERM, SIG_IGN);
        printf("waiting\n");
        fflush(stdout);
        for (;;) pause();
    }
    if (strcmp(command, "sleep") == 0) {
        sleep((unsigned)number);
        return argc > 3 ? atoi(argv[3]) : 0;
    }
    fprintf(stderr, "unknown command: %s\n", command);
    return 2;
}
