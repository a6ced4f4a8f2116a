using Mesh.Cli;

return Application.Run(args, Console.In, Console.Out, Console.Error);
