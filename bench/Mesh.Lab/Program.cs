Console.Error.WriteLine("Mesh.Lab: not built yet");
return 1;
