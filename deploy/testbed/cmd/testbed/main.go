// Command testbed starts a real Kubernetes on one machine for a test, breaks
// parts of it on demand, and leaves nothing behind. What it does is in the
// package bed; here is only how it is told.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/slotwright/slotwright/deploy/testbed/bed"
)

func main() {
	// Only one thread enters the testbed's network, and the command has to be executed by that one.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		os.Exit(1)
	}
}

// dirVariable names the testbed that a command runs in.
const dirVariable = "TESTBED_DIR"

func root() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use: "testbed", Short: "a real Kubernetes on this machine, for tests",
		SilenceErrors: true, SilenceUsage: true,
	}
	command.PersistentFlags().StringVar(&dir, "dir", os.Getenv(dirVariable), "the testbed's directory, else that in "+dirVariable)
	command.PersistentPreRunE = func(*cobra.Command, []string) error {
		if dir == "" {
			return fmt.Errorf("say which testbed: --dir or %s", dirVariable)
		}
		return nil
	}
	command.AddCommand(up(&dir), down(&dir), serve(&dir), run(&dir))
	for _, kind := range []string{"apiserver", "etcd", "controllers", "scheduler"} {
		command.AddCommand(group(&dir, kind, "", "stop", "start"))
	}
	command.AddCommand(group(&dir, "kubelet", " NODE", "stop", "start"), group(&dir, "node", " NODE", "stop", "start"),
		group(&dir, "pod", " NAMESPACE/POD", "cut", "join"), load(&dir))
	return command
}

func up(dir *string) *cobra.Command {
	var assets string
	var count int
	var zones, images []string
	command := &cobra.Command{
		Use: "up", Short: "start, and return when pods can be created", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := described(*dir, assets, images)
			if err != nil {
				return err
			}
			b.Nodes = bed.Spread(count, zones)
			self, err := os.Executable()
			if err != nil {
				return err
			}
			if b, err = bed.Up(cmd.Context(), b, self, "serve", "--dir", b.Dir); err != nil {
				return err
			}
			fmt.Printf("KUBECONFIG=%s\n", b.Kubeconfig())
			return nil
		},
	}
	flags := command.Flags()
	flags.StringVar(&assets, "assets", os.Getenv("KUBEBUILDER_ASSETS"), "the directory of what `make testbed` builds")
	flags.IntVar(&count, "nodes", 3, "how many nodes: k1, k2, ...")
	flags.StringSliceVar(&zones, "zones", []string{"a", "b", "c"}, "the zones the nodes are in, in turn")
	flags.StringArrayVar(&images, "image", nil, "NAME=PATH: an image made of a directory or of a static program; may be repeated")
	return command
}

// described has every path absolute: the supervisor runs elsewhere.
func described(dir, assets string, images []string) (bed.Bed, error) {
	var b bed.Bed
	var err error
	if b.Dir, err = filepath.Abs(dir); err != nil {
		return b, err
	}
	if b.Assets, err = filepath.Abs(assets); err != nil {
		return b, err
	}
	for _, image := range images {
		absolute, err := absoluteImage(image)
		if err != nil {
			return b, err
		}
		b.Images = append(b.Images, absolute)
	}
	return b, nil
}

func absoluteImage(image string) (string, error) {
	name, path, ok := strings.Cut(image, "=")
	if !ok {
		return "", fmt.Errorf("image %q is not NAME=PATH", image)
	}
	path, err := filepath.Abs(path)
	return name + "=" + path, err
}

func down(dir *string) *cobra.Command {
	var keepLogs bool
	command := &cobra.Command{
		Use: "down", Short: "end all of it and remove what it left", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b, err := bed.Open(*dir)
			if err != nil {
				return err
			}
			return b.Down(keepLogs)
		},
	}
	command.Flags().BoolVar(&keepLogs, "keep-logs", false, "leave DIR/log")
	return command
}

func serve(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "serve", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return bed.Serve(cmd.Context(), *dir) },
	}
}

func run(dir *string) *cobra.Command {
	command := &cobra.Command{
		Use: "exec COMMAND [ARGUMENT...]", Short: "run a command in the testbed's network, with its KUBECONFIG and its kubectl", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			b, err := bed.Open(*dir)
			if err != nil {
				return err
			}
			if err := b.EnterNetwork(); err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			os.Setenv("KUBECONFIG", b.Kubeconfig())
			os.Setenv(dirVariable, b.Dir) // what runs in there may break it
			os.Setenv("PATH", b.Assets+":"+filepath.Dir(self)+":"+os.Getenv("PATH"))
			program, err := exec.LookPath(args[0])
			if err != nil {
				return err
			}
			return syscall.Exec(program, args, os.Environ())
		},
	}
	command.Flags().SetInterspersed(false)
	return command
}

// group is a kind of thing and what can be done to one of its name.
func group(dir *string, kind, names string, deeds ...string) *cobra.Command {
	command := &cobra.Command{Use: kind, Short: strings.Join(deeds, " or ") + " " + strings.TrimSpace("the "+kind+names)}
	for _, deed := range deeds {
		command.AddCommand(&cobra.Command{
			Use: deed + names, Args: cobra.ExactArgs(len(strings.Fields(names))),
			RunE: func(cmd *cobra.Command, args []string) error {
				return order(cmd.Context(), *dir, kind, deed, strings.Join(args, ""))
			},
		})
	}
	return command
}

func load(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "load NAME=PATH", Short: "give all nodes an image made of a directory or of a static program", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := absoluteImage(args[0])
			if err != nil {
				return err
			}
			return order(cmd.Context(), *dir, "image", "load", image)
		},
	}
}

func order(ctx context.Context, dir, kind, deed, name string) error {
	b, err := bed.Open(dir)
	if err != nil {
		return err
	}
	return b.Order(ctx, kind, deed, name)
}
