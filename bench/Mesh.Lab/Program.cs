using Mesh.Lab.CommandLine;

#pragma warning disable RS0030 // the one place where real chance enters
return await LabProgram.RunAsync(args, Console.Out, Console.Error, TimeProvider.System, Random.Shared);
#pragma warning restore RS0030
